"""Faults: what real senders get wrong, injected as shares of all records.

A fault is known by what the counting must say of it: `late` crosses the limit, it does not come near it.
A duplicate repeats an earlier record, byte for byte, up to two chunks later.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from charts.window import HOUR_MS
from simulator.slice import Ints, Slice
from simulator.world import World


class Fault(IntEnum):
    """In the order of `Faults.shares`."""

    duplicate = 0
    late = 1
    early = 2
    short = 3
    malformed = 4
    none = 5


def with_faults(world: World, number: int, clock: Ints, played_at: Ints, ms_played: Ints) -> npt.NDArray[Any]:
    """Which plays of a chunk are faulty; bends the times of the late, the early and the short in place."""
    rng = np.random.default_rng([world.seed, 5, world.start, number])
    faults = np.searchsorted(np.cumsum(world.faults.shares), rng.random(len(clock)), side="right")
    rules, chance = world.rules, rng.random(len(clock))
    # The hour of a play ends up to an hour after it: a further hour makes late sure.
    late = clock - rules.lateness_ms - HOUR_MS - 1 - (2 * HOUR_MS * chance).astype(np.int64)
    early = clock + rules.early_ms + 1 + (HOUR_MS * chance).astype(np.int64)
    np.copyto(played_at, late, where=faults == Fault.late)
    np.copyto(played_at, early, where=faults == Fault.early)
    np.copyto(ms_played, (rules.shortest_ms * chance).astype(np.int64), where=faults == Fault.short)
    return faults


def repeat(chunk: Slice, before: Slice | None, rows: Ints, world: World, number: int) -> None:
    """Put earlier records where duplicates shall be; at the very start there are none to repeat."""
    rng = np.random.default_rng([world.seed, 6, world.start, number])
    size = len(chunk)
    reach = size + rows if before is not None else rows
    # Cubed: most come soon after, some much later.
    sources = rows - 1 - ((reach - 1).clip(0) * rng.random(len(rows)) ** 3).astype(np.int64)
    for row, source in zip(rows.tolist(), sources.tolist(), strict=True):
        if source >= 0:
            origin: Slice | None = chunk
        else:
            origin, source = before, source + size  # noqa: PLW2901
        if origin is not None:
            chunk.keys[row], chunk.values[row] = origin.keys[source], origin.values[source]
            chunk.partitions[row] = origin.partitions[source]


def break_values(values: list[bytes | None], rows: list[int]) -> None:
    """Spoil these plays, one way after another."""
    for row in rows:
        value = values[row]
        assert value is not None
        values[row] = _WAYS[row % len(_WAYS)](value)


_WAYS: tuple[Callable[[bytes], bytes], ...] = (
    lambda value: value[: len(value) // 2],
    lambda value: b"",
    lambda value: value.replace(b'"region":"', b'"region":"x'),
    lambda value: value.replace(b'"played_at":', b'"played_at":"') + b'"',
    lambda value: value.replace(b'"user_id"', b'"user"'),
    lambda value: value.replace(b"simulator", b"simul\xfftor"),
    lambda value: b"no play at all",
    lambda value: value.replace(b'"ms_played":', b'"ms_played":-1'),
    lambda value: b"[" + value + b"]",
    lambda value: value.replace(b'"played_at":', b'"played_at":0.'),
)
