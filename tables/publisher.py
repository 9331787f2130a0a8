"""The publisher: a partition's boards and head, in the compacted topic every worker reads.

A board goes out when it changed, the head after all boards it speaks for were acknowledged; that is what
makes the head's word good.
"""

import time
from typing import Any

from aiokafka.producer.message_accumulator import BatchBuilder

from charts.board import HEAD_KEY, RULES_KEY, Board, board_key, parse_board_key
from charts.head import Head
from charts.marker import Marker
from charts.ranking import Place
from charts.settings import Settings
from charts.verdict import Rules, Verdict
from charts.window import DAY_MS, MINUTE_MS, rfc3339
from tables.changelog import pack, send
from tables.clock import CarefulClock
from tables.partition import Partition

#: A partition read to its end and quiet for so long counts as being at the wall clock, less as much.
IDLE_MS = MINUTE_MS


Record = tuple[bytes, bytes | None]


class Publisher:
    """Writes the boards topic for the partitions this worker owns."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.topic = settings.topic("chart-boards")
        self.owner = settings.own_url
        self._clock = CarefulClock()

    def changed_boards(self, part: Partition, contested: set[bytes]) -> list[BatchBuilder]:
        """The boards that changed, and those an older one was written over, ready to send."""
        part.lists.mark_changed(Place.of(*parse_board_key(key)) for key in contested)
        return pack((self._board(part, place) for place in part.lists.take_changed()), _now_ms())

    def head(self, part: Partition, marker: Marker, end: int, idle_ms: int) -> Record:
        """The head, of the marker whose boards are out."""
        now = _now_ms()
        clock = marker.stream_time
        if self.settings.clock == "wall" and end <= marker.applied + 1 and idle_ms >= IDLE_MS:
            clock = max(clock, self._clock.now_ms() - IDLE_MS)
        part.clock = max(part.clock, clock)
        head = Head(
            partition=part.number,
            applied=marker.applied,
            end=max(end, marker.applied + 1),
            stream_time=marker.stream_time,
            clock=part.clock,
            ledger=dict(zip(Verdict.__members__, marker.ledger, strict=True)),
            forwarded=marker.forwarded,
            at=now,
            owner=self.owner,
            absent=marker.absent,
        )
        return HEAD_KEY, head.encode()

    def rules(self, day: int, rules: Rules) -> Record:
        """Rules that hold from a day on."""
        return RULES_KEY + rfc3339(day * DAY_MS)[:10].encode(), rules.encode()

    async def send_batches(self, producer: Any, partition: int, batches: list[BatchBuilder]) -> None:
        """Send what is packed and wait until all of it is acknowledged."""
        await send(producer, self.topic, partition, batches)

    async def send(self, producer: Any, partition: int, records: list[Record]) -> None:
        """Send records and wait until all are acknowledged."""
        await self.send_batches(producer, partition, pack(records, _now_ms()))

    def _board(self, part: Partition, place: Place) -> Record:
        found = part.lists.lists[place.packed]
        unnamed = (None, None)
        rows = tuple(
            (track.decode(), plays, *part.names.get(track, unnamed))
            for track, plays in found.first(part.lists.n)
        )
        board = Board(part.marker.applied, found.plays, found.tracks, rows)
        return board_key(place.region_name, place.window), board.encode()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
