"""A whole scene without Kafka: logs of two partitions, their raw files, heads, and the truth of it all."""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import orjson

from charts.chart import GLOBAL
from charts.finality import Finality, status
from charts.head import Head
from charts.home import home_of
from charts.run import Run
from charts.verdict import Rulebook, Rules
from charts.window import HOUR_MS, Window
from tables.lake import Lake
from tables.store import Store
from tests.lake.made import T0

PARTITIONS = 2
LOG = "main"
BOOK = Rulebook.of({0: Rules(partitions=PARTITIONS)})
TRACKS = [f"track-{number}" for number in range(12)]


@dataclass
class Scene:
    """Records per partition, as they are sent; `tell` says what the heads would."""

    log: str = LOG
    book: Rulebook = BOOK
    values: list[list[bytes]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    stamps: list[list[int]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    forwarded: list[dict[int, tuple[int, int]]] = field(
        default_factory=lambda: [{} for _ in range(PARTITIONS)]
    )

    def send(self, now: int, partition: int | None = None, **fields: object) -> tuple[int, int]:
        """One play, to its home or elsewhere; what lands elsewhere is forwarded as the count would."""
        play: dict[str, object] = {"user_id": "u", "region": "US", "ms_played": 60_000, "played_at": now}
        play |= {"title": "as played"} | fields
        home = home_of(str(play["track_id"]), PARTITIONS)
        where = home if partition is None else partition
        place = self._append(where, orjson.dumps(play), now)
        if where != home and int(str(play["ms_played"])) >= self.book.rules[0].shortest_ms:
            row = self._append(home, orjson.dumps(play), now)
            self.forwarded[home][row[1]] = place
        return place

    def tick(self, now: int) -> None:
        """Time passes in every partition: a record that is no play."""
        for partition in range(PARTITIONS):
            self._append(partition, b"not a play", now)

    def _append(self, partition: int, value: bytes, now: int) -> tuple[int, int]:
        self.values[partition].append(value)
        self.stamps[partition].append(now)
        return partition, len(self.values[partition]) - 1

    def run(self, partition: int) -> Run:
        values = self.values[partition]
        return Run(
            partition,
            0,
            len(values),
            list(values),
            np.arange(len(values)),
            np.array(self.stamps[partition], np.int64),
            dict(self.forwarded[partition]),
        )

    def first(self, records: int) -> "Scene":
        """What is there once each partition has so many records."""
        return replace(
            self,
            values=[values[:records] for values in self.values],
            stamps=[stamps[:records] for stamps in self.stamps],
            forwarded=[
                {row: place for row, place in forwarded.items() if row < records}
                for forwarded in self.forwarded
            ],
        )

    async def keep(self, store: Store) -> None:
        """All of it into the raw zone, the last chunk as a tail."""
        lake = Lake(store, self.log, lambda: self.book)
        for partition in range(PARTITIONS):
            await lake.take(self.run(partition))
        await lake.drain()
        lake.write_tails()
        await lake.drain()
        await lake.close()

    def heads(self) -> "SceneHeads":
        return SceneHeads(self)


class SceneHeads:
    """Heads as a count would publish them once it has applied everything."""

    def __init__(self, scene: Scene) -> None:
        self.ready = True
        self.partitions = PARTITIONS
        self.book = scene.book
        self.finality = Finality()
        for partition in range(PARTITIONS):
            time = max(scene.stamps[partition], default=0)
            end = len(scene.values[partition])
            head = Head(partition, end - 1, end, time, time, {}, {}, 0, "")
            self.finality.update(head)
        for partition in range(PARTITIONS):
            self.finality.update(replace(self.finality.heads[partition], at=1))

    @property
    def heads(self) -> dict[int, Head]:
        return self.finality.heads

    def is_final(self, window: Window) -> bool:
        return status(window, self.finality.clock(PARTITIONS), self.book) == "final"


Truth = dict[tuple[str, Window], Counter[str]]


def truth_of(plays: list[tuple[str, str, int]], *kinds: str) -> Truth:
    """Track, region, time of every play that counts → what each chart must say."""
    truth: Truth = {}
    for track, region, time in plays:
        for kind in kinds or ("hour", "day"):
            for where in (region, GLOBAL):
                window = Window.at(kind, time)  # type: ignore[arg-type]
                truth.setdefault((where, window), Counter())[track] += 1
    return truth


def a_day(scene: Scene, seed: int, hours: int = 3, plays: int = 300) -> list[tuple[str, str, int]]:
    """Some hours of mixed plays; returns those that count. Ends when they are final."""
    chance = np.random.default_rng(seed)
    counted, ids = [], set()
    for number in range(plays):
        now = T0 + int(number * hours * HOUR_MS / plays)
        track = TRACKS[int(chance.zipf(1.3)) % len(TRACKS)]
        region = ["US", "DE", "NA"][int(chance.integers(3))]
        what = chance.random()
        play_id = f"p{number}" if what > 0.1 or not counted else f"p{int(chance.integers(number))}"
        played_at = now - int(chance.integers(2 * 60_000)) if what < 0.9 else now - HOUR_MS
        played_at = max(played_at, T0 - HOUR_MS)
        short = 0.2 < what < 0.25
        away = 0.3 < what < 0.4
        partition = 1 - home_of(track, PARTITIONS) if away else None
        scene.send(
            now,
            partition,
            play_id=play_id,
            track_id=track,
            region=region,
            played_at=played_at,
            ms_played=1_000 if short else 60_000,
            device="x",
        )
        identity = (track, play_id, played_at // HOUR_MS)
        if not short and identity not in ids:
            ids.add(identity)
            counted.append((track, region, played_at))
    scene.tick(T0 + (hours + 27) * HOUR_MS)
    return counted
