"""A day counted from its plays, in bounded memory: its charts, and what the plays say of their tracks.

The tables that an hour comes in share no identity, but they share tracks: of a large hour each brings nearly
a row a play. So an hour is added up by track before it joins the day.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import ExitStack
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from charts.recount import COUNTS, Rankings, counts_of, rank_days, summed
from tables.shares import Shares

#: What plays say of their tracks.
_SAID = pa.schema([(name, pa.string()) for name in ("track_id", "title", "artist")])


class DayCount:
    """Takes in the hours of a day; then it can be asked."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._counts = self._open.enter_context(Shares(COUNTS, "track_id"))
        self._said = self._open.enter_context(Shares(_SAID, "track_id"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    async def add(self, plays: AsyncIterator[pa.Table]) -> None:
        """All plays of an hour."""
        with Shares(COUNTS, "track_id") as counts, Shares(_SAID, "track_id") as said:
            async for some in plays:
                await asyncio.to_thread(_fold, [some], counts_of, counts)
                await asyncio.to_thread(_fold, [some], _said_of, said)
            await asyncio.to_thread(_fold, counts.tables(), summed, self._counts)
            await asyncio.to_thread(_fold, said.tables(), _said_of, self._said)

    def ranked(self, n: int) -> Rankings:
        """The charts of the day and its hours."""
        return rank_days(self._counts.tables(), n)

    def names(self, tracks: list[str]) -> dict[str, tuple[str | None, str | None]]:
        """What was said of some tracks, where anything was."""
        wanted = pa.array(tracks, pa.string())
        some = pa.concat_tables(
            [said.filter(pc.is_in(said["track_id"], wanted)) for said in self._said.tables()]
        )
        columns = (_said_of(some)[name].to_pylist() for name in _SAID.names)
        return {
            track: (title, artist) for track, title, artist in zip(*columns, strict=True) if title or artist
        }


def _fold(tables: Iterable[pa.Table], fold: Callable[[pa.Table], pa.Table], into: Shares) -> None:
    for rows in tables:
        into.add(fold(rows))


def _said_of(rows: pa.Table) -> pa.Table:
    """Title and artist by track."""
    grouped = rows.group_by("track_id").aggregate([("title", "max"), ("artist", "max")])
    return grouped.rename_columns(_SAID.names).cast(_SAID)
