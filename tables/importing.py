"""Importing: a sheet of tracks into the catalogue, a piece at a time.

Two lanes take turns: while one merges its piece into the catalogue, the other reads, names and stages the
next, so that Postgres works on both. Pieces are merged in the order of the sheet, each in one transaction,
after its artists, albums and words in one of their own. Importing the same file again changes nothing, so an
import that broke off is simply run again.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import asyncpg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from charts.errors import Conflict
from tables.checks import STAGED, checked
from tables.naming import Naming
from tables.postgres import Connection, Database
from tables.queries import queries
from tables.sheets import Bad, Format, Piece, read

SQL = queries("catalogue")
T = TypeVar("T")
_LANES = 2
#: A piece with many new words and a busy disk.
PIECE_TIMEOUT_S = 300.0
#: Bulk work may use more memory than a request, and sorts index entries in larger lots.
_SETTINGS = """
SET work_mem = '64MB';
SET gin_pending_list_limit = '32MB';
SET synchronous_commit = off"""
#: Each time somebody else's transaction went through, so this is seldom more than one.
_TRIES = 5
#: What editors and the count of popularity may do to a transaction that meets theirs: rows locked in another
#: order, an artist or album deleted between the look and the reference.
_LOST = (asyncpg.DeadlockDetectedError, asyncpg.ForeignKeyViolationError)
_INDEXES = tuple(
    f"{table}_{index}" for table in ("tracks", "albums", "artists") for index in ("by_word", "popular")
)


@dataclass
class Outcome:
    """What an import did."""

    rows: int = 0
    #: Tracks that are new or not what they were.
    changed: int = 0
    bad: list[Bad] = field(default_factory=list)


async def import_tracks(
    database: Database, path: Path, form: Format, progress: Callable[[int], None] = lambda _done: None
) -> Outcome:
    """Import a file; `progress` is told how much is done."""
    running = _Import(database, path, form, progress)
    try:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(_LANES):
                lanes.create_task(running.lane())
    except ExceptionGroup as both:
        # What went wrong in one lane stopped the other; who called wants to know what it was.
        raise both.exceptions[0] from None
    await _settle(database)
    return running.outcome


class _Import:
    """One import under way."""

    def __init__(self, database: Database, path: Path, form: Format, progress: Callable[[int], None]) -> None:
        self.outcome = Outcome()
        self._database = database
        self._progress = progress
        self._pieces = _checked(path, form)
        self._naming = Naming()
        #: Words the search has by now.
        self._known: set[str] = set()
        self._staging = asyncio.Lock()
        self._merging = asyncio.Lock()

    async def lane(self) -> None:
        """Take piece after piece; the turn to merge is taken before the next lane may stage."""
        async with self._database.session() as connection:
            await connection.execute(_SETTINGS)
            await connection.execute(SQL["make_staging"])
            while True:
                async with self._staging:
                    found = await anext(self._pieces, None)
                    if found is None:
                        return
                    piece, table, bad = found
                    await self._stage(connection, table)
                    await self._merging.acquire()
                try:
                    changed, dangling = await _committed(connection, _merge)
                finally:
                    self._merging.release()
                self.outcome.rows += len(piece.lines) + len(piece.bad)
                self.outcome.changed += changed
                self.outcome.bad += sorted([*bad, *dangling])
                self._progress(piece.done)

    async def _stage(self, connection: Connection, table: pa.Table) -> None:
        """A piece into the lane's own table; its artists, albums and words into the catalogue."""
        named = await self._naming.identify(connection, table)
        sheet, words = await asyncio.to_thread(_written, named)

        async def stage(connection: Connection) -> None:
            sheet.seek(0)
            await connection.execute(SQL["clear_staging"])
            await connection.copy_to_table("staged_tracks", source=sheet, columns=STAGED, format="csv")
            for step in ("insert_staged_artists", "insert_staged_albums"):
                await connection.execute(SQL[step], timeout=PIECE_TIMEOUT_S)
            new = list(words - self._known)
            await connection.execute(SQL["learn_words"], new, timeout=PIECE_TIMEOUT_S)

        await _committed(connection, stage)
        self._known |= words


async def _checked(path: Path, form: Format) -> AsyncIterator[tuple[Piece, pa.Table, list[Bad]]]:
    """Pieces of the file, read and checked in a thread."""
    pieces = read(path, form)
    while (found := await asyncio.to_thread(_next, pieces)) is not None:
        yield found


def _next(pieces: Iterator[Piece]) -> tuple[Piece, pa.Table, list[Bad]] | None:
    piece = next(pieces, None)
    return None if piece is None else (piece, *checked(piece))


def _written(table: pa.Table) -> tuple[io.BytesIO, set[str]]:
    sheet = io.BytesIO()
    pyarrow.csv.write_csv(table, sheet, pyarrow.csv.WriteOptions(include_header=False))
    return sheet, _words(table)


async def _committed(connection: Connection, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Work done in a transaction, and done again where it lost against somebody else's."""
    lost: Exception | None = None
    for _ in range(_TRIES):
        try:
            async with connection.transaction():
                return await work(connection)
        except _LOST as error:
            lost = error
    reason = str(lost).splitlines()[0]
    raise Conflict(f"others change the same tracks all the time ({reason}): import the file again") from lost


async def _merge(connection: Connection) -> tuple[int, list[Bad]]:
    """What is staged becomes tracks: how many changed, and what refers to nothing."""
    dangling = await connection.fetch(SQL["drop_dangling"], timeout=PIECE_TIMEOUT_S)
    done = await connection.execute(SQL["insert_staged_tracks"], timeout=PIECE_TIMEOUT_S)
    await connection.execute(SQL["know_staged_tracks"], timeout=PIECE_TIMEOUT_S)
    reason = "artist_id or album_id is not in the catalogue, and no name makes it"
    return int(done.split()[-1]), [(row["line"], reason) for row in dangling]


def _words(table: pa.Table) -> set[str]:
    found: set[str] = set()
    for name in ("plain", "artist_plain", "album_plain"):
        texts = pc.unique(table[name].combine_chunks() if table.num_rows else table[name])
        found.update(pc.unique(pc.list_flatten(pc.split_pattern(texts, " "))).to_pylist())
    return found - {None, ""}


async def _settle(database: Database) -> None:
    """Fold what the indexes put aside into them, and tell the planner what is there now."""
    async with database.connection() as connection:
        for index in _INDEXES:
            await connection.execute(
                "SELECT gin_clean_pending_list($1::regclass)", index, timeout=PIECE_TIMEOUT_S
            )
        await connection.execute(
            "ANALYZE tracks, albums, artists, search_words, search_variants", timeout=PIECE_TIMEOUT_S
        )
