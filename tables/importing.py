"""Importing: a sheet of tracks into the catalogue, a piece at a time.

While Postgres takes one piece, the next is named and the one after it read, so that Postgres never waits.
Each piece is one transaction, and importing the same file again changes nothing, so an import that broke off
is simply run again.
"""

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tables.checks import STAGED, checked
from tables.naming import Naming
from tables.postgres import Connection, Database
from tables.queries import queries
from tables.sheets import Bad, Format, Piece, read

T = TypeVar("T")

SQL = queries("catalogue")
#: A piece with many new words and a busy disk.
PIECE_TIMEOUT_S = 300.0
#: Bulk work may use more memory than a request, and sorts index entries in larger lots.
_SETTINGS = """
SET LOCAL work_mem = '64MB';
SET LOCAL gin_pending_list_limit = '32MB';
SET LOCAL synchronous_commit = off"""
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
    outcome = Outcome()
    known: set[str] = set()
    async with aclosing(_ahead(_staged(database, _ahead(_checked(path, form))))) as pieces:
        async for staged in pieces:
            outcome.rows += len(staged.piece.lines) + len(staged.piece.bad)
            async with database.transaction() as connection:
                await connection.execute(_SETTINGS)
                changed, dangling = await _merge(connection, staged, known)
            outcome.changed += changed
            outcome.bad += sorted([*staged.bad, *dangling])
            progress(staged.piece.done)
    await _settle(database)
    return outcome


@dataclass(frozen=True, slots=True)
class _Staged:
    """A piece as Postgres takes it."""

    piece: Piece
    bad: list[Bad]
    sheet: io.BytesIO
    words: set[str]


async def _ahead(items: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """The same, with the next one under way while the last is used."""
    coming = asyncio.ensure_future(anext(items, None))
    try:
        while (item := await coming) is not None:
            coming = asyncio.ensure_future(anext(items, None))
            yield item
    finally:
        coming.cancel()
        await asyncio.wait([coming])


async def _checked(path: Path, form: Format) -> AsyncIterator[tuple[Piece, pa.Table, list[Bad]]]:
    """Pieces of the file, read and checked in a thread."""
    pieces = read(path, form)
    while (found := await asyncio.to_thread(_next, pieces)) is not None:
        yield found


def _next(pieces: Iterator[Piece]) -> tuple[Piece, pa.Table, list[Bad]] | None:
    piece = next(pieces, None)
    return None if piece is None else (piece, *checked(piece))


async def _staged(
    database: Database, pieces: AsyncIterator[tuple[Piece, pa.Table, list[Bad]]]
) -> AsyncIterator[_Staged]:
    """Every artist and album of a piece has its id, and the piece is written as it will be sent."""
    naming = Naming()
    async for piece, table, bad in pieces:
        async with database.connection() as connection:
            named = await naming.identify(connection, table)
        yield _Staged(piece, bad, *await asyncio.to_thread(_written, named))


def _written(table: pa.Table) -> tuple[io.BytesIO, set[str]]:
    sheet = io.BytesIO()
    pyarrow.csv.write_csv(table, sheet, pyarrow.csv.WriteOptions(include_header=False))
    sheet.seek(0)
    return sheet, _words(table)


async def _merge(connection: Connection, staged: _Staged, known: set[str]) -> tuple[int, list[Bad]]:
    """One piece into artists, albums, tracks and the search's words."""
    await connection.execute(SQL["make_staging"])
    await connection.copy_to_table("staged_tracks", source=staged.sheet, columns=STAGED, format="csv")
    for step in ("insert_staged_artists", "insert_staged_albums"):
        await connection.execute(SQL[step], timeout=PIECE_TIMEOUT_S)
    dangling = await connection.fetch(SQL["drop_dangling"], timeout=PIECE_TIMEOUT_S)
    done = await connection.execute(SQL["insert_staged_tracks"], timeout=PIECE_TIMEOUT_S)
    await connection.execute(SQL["know_staged_tracks"], timeout=PIECE_TIMEOUT_S)
    await connection.execute(SQL["learn_words"], list(staged.words - known), timeout=PIECE_TIMEOUT_S)
    known |= staged.words
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
