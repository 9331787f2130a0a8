"""Plays for a storm: a seeded stream of everything that may arrive, and its sender.

Event time runs through a few hours a round, over midnight, so that hours become final while workers die.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from charts.home import home_of
from charts.play import Play
from charts.run import TICK_HEADER
from charts.window import HOUR_MS, MINUTE_MS

#: 2026-11-20 20:30 UTC: midnight comes in the second round.
START_MS = 1_795_206_600_000
REGIONS = ("US", "DE", "BR", "JP", "IN", "FR", "GB", "SE", "NG", "MX")
#: Whatever this holds is malformed, and neither None nor a play.
BROKEN = (
    b"",
    b"{",
    b"null",
    b"[]",
    b"\xff\xfe{}",
    b'{"play_id": "x"}',
    b'{"play_id":"p","user_id":"u","track_id":"t","region":"US","played_at":NaN,"ms_played":40000}',
    b'{"play_id":"p","user_id":"u","track_id":"t","region":"us","played_at":1795206600000,"ms_played":40000}',
)
_RETRY_S = 0.2


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it is sent."""

    partition: int
    key: bytes | None
    value: bytes
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


class Stream:
    """A seeded stream of records; `faulty` ones are the exceptions that a sender may send."""

    def __init__(self, seed: int, partitions: int, tracks: int) -> None:
        self._random = random.Random(seed)
        self.partitions = partitions
        self.clock = START_MS
        self._number = 0
        self.tracks = [f"track-{number:05d}" for number in range(tracks)]
        self.homes = [home_of(track, partitions) for track in self.tracks]
        self._sent: list[tuple[int, Play]] = []

    def chunk(self, count: int, span_ms: int) -> list[Record]:
        """So many records over a span of event time, and then a tick for every partition."""
        records = [self._record(self.clock + span_ms * row // count) for row in range(count)]
        self.clock += span_ms
        tick = ((TICK_HEADER, b"1"),)
        return records + [Record(p, None, b"", self.clock, tick) for p in range(self.partitions)]

    def chunks(self, number: int, count: int, span_ms: int) -> Iterator[list[Record]]:
        return (self.chunk(count, span_ms) for _ in range(number))

    def _record(self, now: int) -> Record:
        dice = self._random.random()
        if dice < 0.02:
            return Record(self._any_partition(), None, self._random.choice(BROKEN), now)
        if dice < 0.07 and self._sent:
            track, play = self._random.choice(self._sent[-20_000:])
            if dice < 0.03:
                play = replace(play, region=self._random.choice(REGIONS))
        else:
            # Some tracks are played much, most are played little.
            track = int(len(self.tracks) * self._random.random() ** 2)
            play = self._play(track, now)
            self._sent.append((track, play))
        partition = self._any_partition() if self._random.random() < 0.06 else self.homes[track]
        key = None if self._random.random() < 0.01 else play.track_id.encode()
        return Record(partition, key, play.encode(), now)

    def _play(self, track: int, now: int) -> Play:
        self._number += 1
        dice = self._random.random()
        played_at, ms_played = now - self._random.randrange(2 * MINUTE_MS), 200_000
        if dice < 0.03:
            played_at = now - self._random.randrange(3 * HOUR_MS, 6 * HOUR_MS)
        elif dice < 0.08:
            played_at = now - self._random.randrange(2 * HOUR_MS)
        elif dice < 0.09:
            played_at = now + self._random.randrange(20 * MINUTE_MS)
        elif dice < 0.12:
            ms_played = self._random.randrange(30_000)
        number = str(self._number)
        region, track_id = self._random.choice(REGIONS), self.tracks[track]
        return Play(number, f"u{number}", track_id, region, played_at, ms_played, title=f"Song {track_id}")

    def _any_partition(self) -> int:
        return self._random.randrange(self.partitions)


async def send_with(producer: AIOKafkaProducer, topic: str, records: list[Record]) -> None:
    """Send records, each partition's in order. What fails is sent again, perhaps twice, as anywhere."""
    while records:
        queued = []
        # A broker that is away long leaves no room to queue: the rest waits with what failed.
        with suppress(KafkaError):
            for record in records:
                sent = await producer.send(
                    topic,
                    record.value,
                    key=record.key,
                    partition=record.partition,
                    timestamp_ms=record.timestamp,
                    headers=list(record.headers),
                )
                queued.append(sent)
        ended = await asyncio.gather(*queued, return_exceptions=True)
        failed = [error for error in ended if isinstance(error, BaseException)]
        if any(not isinstance(error, KafkaError) for error in failed):
            raise failed[0]
        again = [r for r, end in zip(records, ended, strict=False) if isinstance(end, BaseException)]
        records = again + records[len(queued) :]
        if records:
            await asyncio.sleep(_RETRY_S)
