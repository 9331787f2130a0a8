"""Boards fed by hand: the worker's own, given what their topic would bring."""

import asyncio
import time

from charts.board import Board, Row, board_key
from charts.head import Head
from charts.settings import Settings
from charts.window import Window
from tables.boards import Boards

#: 2026-11-21 14:30 UTC.
HALF_PAST_MS = 1_795_271_400_000
HOUR = Window.at("hour", HALF_PAST_MS)
DAY = Window.at("day", HALF_PAST_MS)
PARTITIONS = 2


class FedBoards(Boards):
    """Two partitions' boards and heads, without a broker."""

    def __init__(self, settings: Settings, clock: int = HALF_PAST_MS) -> None:
        super().__init__(settings)
        self.partitions = PARTITIONS
        self.ready = True
        self.applied = 100
        self.beat(clock)

    def beat(self, clock: int) -> None:
        """A head of every partition."""
        for partition in range(PARTITIONS):
            head = Head(
                partition=partition,
                applied=self.applied,
                end=self.applied + 1,
                stream_time=clock,
                clock=clock,
                ledger={"counted": 7, "late": 1},
                forwarded={},
                at=time.time_ns() // 1_000_000,
                owner="127.0.0.1:6066",
            )
            self.take(partition, b"head", head.encode())

    def put(self, region: str, window: Window, plays: dict[str, int]) -> None:
        """A flush: the new board of a region and window, tracks dealt to the partitions by turns."""
        self.applied += 1
        ranked = sorted(plays.items(), key=lambda item: (-item[1], item[0]))
        for partition in range(PARTITIONS):
            rows: tuple[Row, ...] = tuple(
                (track, count, f"The {track}", "Somebody")
                for track, count in ranked
                if sum(track.encode()) % PARTITIONS == partition
            )
            board = Board(self.applied, sum(row[1] for row in rows), len(rows), rows)
            self.take(partition, board_key(region, window), board.encode())
        self.beat(HALF_PAST_MS)
        self.wake()

    def wake(self) -> None:
        """What was taken in is news."""
        self._news.set()
        self._news = asyncio.Event()
