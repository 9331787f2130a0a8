"""Logs for the lake's tests, and what their files must say."""

import random

import numpy as np
import orjson

from charts.run import Run
from charts.verdict import Rulebook, Rules
from charts.window import HOUR_MS
from tables.raw import decode, tail_folder
from tables.store import Store
from tables.zone import Zone

T0 = 20_000 * 24 * HOUR_MS
BOOK = Rulebook.of({0: Rules(partitions=1)})


def play(number: int, played_at: int, **more: object) -> bytes:
    fields = {
        "play_id": f"play-{number}",
        "user_id": f"u{number % 97}",
        "track_id": f"t{number % 13}",
        "region": ("US", "DE", "NA")[number % 3],
        "played_at": played_at,
        "ms_played": 60_000,
    }
    return orjson.dumps({**fields, **more})


def a_log(records: int, seed: int, step_ms: int = 60_000, partition: int = 0, first: int = 0) -> Run:
    """One partition's whole log: mostly plays in time, some late, some no plays at all."""
    chance = random.Random(seed)
    time, values, stamps = T0, [], []
    for number in range(records):
        time += chance.randrange(2 * step_ms)
        what = chance.random()
        if what < 0.02:
            values.append(chance.randbytes(9))
        elif what < 0.06:
            values.append(play(number, time - 30 * HOUR_MS))
        else:
            values.append(play(number, time, label=number) if what > 0.9 else play(number, time))
        stamps.append(max(T0, time - chance.randrange(5_000)))
    gaps = [1 if chance.random() > 0.01 else 7 for _ in range(records)]
    offsets = first - 1 + np.cumsum(gaps, dtype=np.int64)
    return Run(partition, first, int(offsets[-1]) + 1, values, offsets, np.array(stamps, np.int64))


async def raw_offsets(store: Store, log: str, partition: int = 0) -> tuple[list[int], list[int]]:
    """The offsets in full files, each following on the last; and those in the tail that counts."""
    zone = Zone(store, log)
    hours = await zone.hours()
    full = await zone.full(range(min(hours), max(hours) + 1)) if hours else []
    offsets: list[int] = []
    wanted: int | None = None
    time = 0
    for name in (name for name in full if name.partition == partition):
        footer = await zone.footer(name)
        assert wanted is None or footer.first == wanted, f"{name.key} does not follow on {wanted}"
        assert footer.before == time
        rows = sorted(decode(await store.get(name.key), ["offset"])["offset"].to_pylist())
        assert len(rows) == footer.rows
        assert rows[0] == footer.first == name.first
        assert rows[-1] < footer.next
        offsets += rows
        wanted, time = footer.next, footer.after
    tails = [name for name in await zone.tails(partition) if wanted is None or name.first >= wanted]
    if not tails:
        return offsets, []
    longest = max(tails, key=lambda name: name.next or 0)
    assert longest.key.startswith(tail_folder(log))
    return offsets, sorted(decode(await store.get(longest.key), ["offset"])["offset"].to_pylist())
