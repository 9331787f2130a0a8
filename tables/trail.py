"""Trails: what the raw zone knows of one play, past the horizon of what the workers remember.

    logs ──▶ files of the hours asked for ──▶ those whose filter may hold the play id ──▶ their rows of it

A track counts in its home partition, so that is searched first, and the others only where home knows nothing:
what was too late, too early or too short stays where it landed. Which row counts is asked of the functions
that select a chart's plays, on the basis the hour stands on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from charts.errors import NotFound, Unreachable
from charts.fields import SCHEMA
from charts.home import home_of
from charts.play import Play
from charts.selection import SELECTED, Basis, first_of_identity, select
from charts.verdict import Rulebook, Verdict
from charts.window import HOUR_MS
from tables.late import LateFile
from tables.raw import FOOTER_BYTES, Name, decode, footer_of, may_hold_play
from tables.store import Store
from tables.zone import Zone, log_ids

#: What of a file's end is read: the filter of a full chunk's ids, and the footer.
_END_BYTES = (64 << 10) + FOOTER_BYTES
#: Ends read at a time, 2 MB of them, and whole files, each some 20 MB once decoded.
_ENDS_AT_ONCE, _FILES_AT_ONCE = 16, 4
#: Records told of one play; a sender that repeats one for ever has the first.
_TOLD = 1_000

#: What an hour (counted from 1970) stands on, if it was curated.
BasisOf = Callable[[int], Awaitable[Basis | None]]


@dataclass(frozen=True, slots=True)
class Step:
    """One record of a play."""

    log: str
    partition: int
    offset: int
    verdict: Verdict
    play: Play
    #: Whether it is the one that counts in the charts as they stand.
    counts: bool

    @property
    def place(self) -> tuple[str, int, int]:
        return self.log, self.partition, self.offset


@dataclass(frozen=True, slots=True)
class _Held:
    """What one file holds of the play: its records, and those of them that may count in their hours."""

    log: str
    rows: pa.Table
    candidates: pa.Table


class Trails:
    """Finds the records of one play."""

    def __init__(self, store: Store, book: Rulebook, basis_of: BasisOf) -> None:
        self._store = store
        self._book = book
        self._basis_of = basis_of
        self._ends = asyncio.Semaphore(_ENDS_AT_ONCE)
        self._files = asyncio.Semaphore(_FILES_AT_ONCE)

    async def find(
        self, track_id: str, play_id: str, spans: Sequence[range], late: Iterable[LateFile] = ()
    ) -> list[Step]:
        """The play's records that came in some spans of hours (of stream time), of every log.

        `late` are more files to look into. Raises Unreachable.
        """
        try:
            return await self._find(track_id, play_id, spans, late)
        except NotFound as error:
            raise Unreachable("the lake's files changed meanwhile: ask again") from error

    async def _find(
        self, track_id: str, play_id: str, spans: Sequence[range], late: Iterable[LateFile]
    ) -> list[Step]:
        listed = await self._places(spans)
        growing = {(log, name.partition, name.first) for log, name in listed if name.next}
        places = {*listed, *((file.log, file.name) for file in late)}

        async def look(log: str, name: Name) -> _Held | None:
            try:
                return await self._look(log, name, track_id, play_id)
            except NotFound:
                if name.next is None and (log, name.partition, name.first) in growing:
                    # Noted under the name it will have once full.
                    return None
                raise

        homes = {home_of(track_id, rules.partitions) for rules in self._book.rules}
        for at_home in (True, False):
            looked = [place for place in places if (place[1].partition in homes) is at_home]
            found = await asyncio.gather(*(look(*place) for place in looked))
            if held := [one for one in found if one is not None]:
                return _steps(held, self._book)
        return []

    async def _places(self, spans: Sequence[range]) -> list[tuple[str, Name]]:
        """The files of some hours, and every growing one."""
        places: list[tuple[str, Name]] = []
        for log in await log_ids(self._store):
            zone = Zone(self._store, log)
            names = await zone.tails()
            for span in spans:
                names += await zone.full(await zone.hours(span))
            places += [(log, name) for name in names]
        return places

    async def _look(self, log: str, name: Name, track_id: str, play_id: str) -> _Held | None:
        """What one file holds of the play."""
        zone = Zone(self._store, log)
        async with self._ends:
            if not may_hold_play(await zone.end(name, _END_BYTES), play_id):
                return None
        async with self._files:
            body = await zone.body(name)
            rows = await asyncio.to_thread(_decoded, body, track_id, play_id)
            if rows is None:
                return None
            mine = _is_play(rows, track_id, play_id)
            footer, candidates = footer_of(body), []
            for hour in np.unique(_hours(rows.filter(mine))).tolist():
                basis = await self._basis_of(hour) or Basis(log)
                if log == basis.log or basis.late:
                    told = {"log": log, "before": footer.before, "hour": hour}
                    candidates.append(await asyncio.to_thread(select, rows, basis, self._book, **told))
            found = pa.concat_tables([SELECTED.empty_table(), *candidates])
            return _Held(log, rows.filter(mine), found.filter(_is_play(found, track_id, play_id)))


def _decoded(body: bytes, track_id: str, play_id: str) -> pa.Table | None:
    """A file's rows, if the play is among them: of the files that seem to hold it, one in many does."""
    ids = decode(body, ["track_id", "play_id"])
    return decode(body) if pc.any(_is_play(ids, track_id, play_id)).as_py() else None


def _is_play(rows: pa.Table, track_id: str, play_id: str) -> pa.ChunkedArray:
    same = pc.and_(pc.equal(rows["play_id"], play_id), pc.equal(rows["track_id"], track_id))
    return pc.fill_null(same, False)


def _hours(rows: pa.Table) -> np.ndarray:
    return rows["played_at"].cast(pa.int64()).to_numpy() // HOUR_MS


def _steps(held: Sequence[_Held], book: Rulebook) -> list[Step]:
    """The records in the order of the log; a later one of an identity that counted is a duplicate."""
    counting = {
        (row["log"], row["partition"], row["offset"])
        for row in _counting(pa.concat_tables([one.candidates for one in held]), book)
    }
    found = {}
    for one in held:
        for row in one.rows.to_pylist():
            place = one.log, row["partition"], row["offset"]
            found[place] = Step(*place, Verdict[row["verdict"]], _play_of(row), place in counting)
    told, counted = [], set()
    for place in sorted(found):
        step = found[place]
        identity = step.log, step.play.played_at // HOUR_MS
        if step.verdict is Verdict.counted and identity in counted:
            step = replace(step, verdict=Verdict.duplicate)
        elif step.verdict is Verdict.counted:
            counted.add(identity)
        told.append(step)
    return told[:_TOLD]


def _counting(candidates: pa.Table, book: Rulebook) -> list[dict[str, Any]]:
    """The one that counts, of each hour the play was said to be of."""
    hours = _hours(candidates)
    return [
        row
        for hour in np.unique(hours).tolist()
        for row in first_of_identity(candidates.filter(pa.array(hours == hour)), book).to_pylist()
    ]


def _play_of(row: dict[str, Any]) -> Play:
    fields = {name: row[name] for name in SCHEMA.names}
    played_at = round(fields["played_at"].timestamp() * 1000)
    extra = orjson.loads(row["extra"]) if row["extra"] else {}
    return Play(**{**fields, "played_at": played_at}, extra=extra)
