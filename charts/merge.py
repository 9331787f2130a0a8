"""The merge: the boards of all partitions, one chart.

Every partition holds its own tracks, so the first N of the whole are among the first N of each.
"""

import heapq
from collections.abc import Iterable

from charts.board import Board, Row
from charts.chart import Entry


def merge(boards: Iterable[Board], n: int) -> tuple[int, int, tuple[Entry, ...]]:
    """(plays, tracks, entries) of the chart these boards make."""
    boards = list(boards)
    plays = sum(board.plays for board in boards)
    ranked = heapq.merge(*(board.rows for board in boards), key=_rank)
    entries = tuple(
        Entry(rank, track, count, title, artist, share=round(count / plays, 6))
        for rank, (track, count, title, artist) in zip(range(1, n + 1), ranked, strict=False)
    )
    return plays, sum(board.tracks for board in boards), entries


def _rank(row: Row) -> tuple[int, bytes]:
    """By plays, then by track id in UTF-8 order, as the partitions rank."""
    return -row[1], row[0].encode()
