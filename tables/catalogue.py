"""The catalogue: artists, albums and tracks, edited by several people at once.

Every record carries a revision; whoever changes one says which revision they saw, and loses politely
when somebody else was faster.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg

from charts.errors import BadRequest, Conflict, NotFound
from charts.plain import plain
from tables.postgres import Connection, Database, Row
from tables.queries import queries

SQL = queries("catalogue")
Table = Literal["tracks", "albums", "artists"]
Record = Mapping[str, Any]

#: The id of each table, the column of its name, and the columns between id and folded name.
KEYS: dict[Table, str] = {"tracks": "track_id", "albums": "album_id", "artists": "artist_id"}
_COLUMNS: dict[Table, tuple[str, ...]] = {
    "tracks": (
        *("title", "artist_id", "album_id", "genre", "duration_ms", "isrc", "release_date", "cover_url"),
    ),
    "albums": ("title", "artist_id", "release_date", "cover_url"),
    "artists": ("name",),
}


@dataclass(frozen=True, slots=True)
class Page:
    """Some records in the order of their ids; `next` is the id to go on after."""

    items: list[dict[str, Any]]
    next: str | None


class Catalogue:
    """Reads and edits the catalogue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, table: Table, key: str) -> dict[str, Any]:
        """One record; NotFound."""
        return await _get(self._database, table, key)

    async def page(self, table: Table, after: str, limit: int, artist_id: str | None = None) -> Page:
        """Some records after an id; of one artist, where that is asked."""
        rows = await self._database.fetch(SQL[f"list_{table}"], after, limit + 1, artist_id)
        return _page(rows, KEYS[table], limit)

    async def charted(self, track_id: str) -> Row | None:
        """What the plays of a track call it that charted and is not in the catalogue."""
        return await self._database.fetchrow(SQL["get_unknown"], track_id)

    async def unknown(self, after: str, limit: int) -> Page:
        """Tracks that charted and are not in the catalogue, as the plays named them."""
        rows = await self._database.fetch(SQL["list_unknown"], after, limit + 1)
        return _page(rows, "track_id", limit)

    async def create(self, table: Table, record: Record) -> dict[str, Any]:
        """A new record; Conflict where the id is taken. Without an id it gets one from its name."""
        async with self._database.transaction() as connection:
            values = await _resolved(connection, table, record)
            key = record.get(KEYS[table]) or _key(table, values["plain"], values.get("artist_id"))
            try:
                await connection.execute(SQL[f"insert_{table}"], *_values(table, key, values))
            except asyncpg.UniqueViolationError:
                raise Conflict(f"there is a {table[:-1]} {key} already") from None
            except asyncpg.ForeignKeyViolationError as error:
                raise BadRequest(f"no such artist or album: {error.detail}") from None
            await _learn(connection, table, key, values)
            return await _get(connection, table, key)

    async def update(self, table: Table, key: str, record: Record, revision: int | None) -> dict[str, Any]:
        """Replace a record whose revision is still the one the caller saw; Conflict where it is not."""
        async with self._database.transaction() as connection:
            await _lock(connection, table, key, revision)
            values = await _resolved(connection, table, record)
            try:
                await connection.execute(SQL[f"update_{table}"], *_values(table, key, values))
            except asyncpg.ForeignKeyViolationError as error:
                raise BadRequest(f"no such artist or album: {error.detail}") from None
            await _learn(connection, table, key, values)
            if table != "tracks":
                await connection.execute(SQL["reword_albums"], key)
                await connection.execute(SQL["reword_tracks"], key)
            return await _get(connection, table, key)

    async def delete(self, table: Table, key: str, revision: int | None) -> None:
        """Delete a record whose revision is still the one the caller saw; what named it goes without."""
        async with self._database.transaction() as connection:
            await _lock(connection, table, key, revision)
            await connection.execute(SQL[f"delete_{table}"], key)


async def _get(source: Database | Connection, table: Table, key: str) -> dict[str, Any]:
    row = await source.fetchrow(SQL[f"get_{table}"], key)
    if row is None:
        raise NotFound(f"no such {table[:-1]}: {key}")
    return dict(row)


def derived_id(kind: str, *names: str) -> str:
    """The id of something that came with a name only: the same name, the same id."""
    digest = hashlib.md5("\x1f".join(names).encode(), usedforsecurity=False).hexdigest()
    return f"{kind}-{digest[:16]}"


def _key(table: Table, folded: str, artist_id: str | None) -> str:
    return derived_id(table[:-1], *([artist_id or ""] if table != "artists" else []), folded)


def _page(rows: list[Any], key: str, limit: int) -> Page:
    items = [dict(row) for row in rows[:limit]]
    return Page(items, items[-1][key] if len(rows) > limit else None)


async def _lock(connection: Connection, table: Table, key: str, revision: int | None) -> None:
    found = await connection.fetchval(SQL[f"lock_{table}"], key)
    if found is None:
        raise NotFound(f"no such {table[:-1]}: {key}")
    if revision is not None and found != revision:
        raise Conflict(f"somebody changed it meanwhile: revision {found}, not {revision}")


async def _resolved(connection: Connection, table: Table, record: Record) -> dict[str, Any]:
    """The record with ids for the names of its artist and album, and everything folded."""
    values = dict(record)
    folded = plain(values["name" if table == "artists" else "title"])
    parts = [folded]
    if table != "artists":
        values["artist_id"], name = await _named(connection, "artists", values, None)
        parts += [name] if name else []
    if table == "tracks":
        values["album_id"], name = await _named(connection, "albums", values, values["artist_id"])
        parts += [name] if name else []
    return {**values, "plain": folded, "words": " ".join(parts).split()}


async def _named(
    connection: Connection, table: Table, record: Record, artist_id: str | None
) -> tuple[str | None, str | None]:
    """The id and the folded name of the artist or album a record names, by id or by name."""
    kind = table[:-1]
    key, name = record.get(KEYS[table]), record.get(kind)
    if key:
        row = await connection.fetchrow(SQL[f"get_{table}"], key)
        if row is None:
            raise BadRequest(f"no such {kind}: {key}")
        return key, plain(row["name" if table == "artists" else "title"])
    if not name:
        return None, None
    folded = plain(name)
    wanted = (folded,) if table == "artists" else (folded, artist_id)
    row = await connection.fetchrow(SQL[f"find_{kind}"], *wanted)
    if row is not None:
        return row[KEYS[table]], folded
    made = {"name": name, "title": name, "artist_id": artist_id, "plain": folded, "words": folded.split()}
    key = _key(table, folded, artist_id)
    # Two who make it at once make the same.
    await connection.execute(SQL[f"insert_{table}"] + " ON CONFLICT DO NOTHING", *_values(table, key, made))
    return key, folded


def _values(table: Table, key: str, values: Record) -> list[Any]:
    columns = [values.get(column) for column in _COLUMNS[table]]
    return [key, *columns, values["plain"], sorted(set(values["words"]))]


async def _learn(connection: Connection, table: Table, key: str, values: Record) -> None:
    await connection.execute(SQL["learn_words"], values["words"])
    if table == "tracks":
        await connection.execute(SQL["know_track"], key)
