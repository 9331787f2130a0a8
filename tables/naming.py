"""Naming: ids for the artists and albums a sheet knows by name only.

A name that the catalogue has, however it is spelt, is that artist or album; then one that the sheet itself
gave an id so far; another gets the id that follows from it. What was found is remembered for the rest of the
import.
"""

from typing import Any, TypeVar

import pyarrow as pa

from tables.catalogue import derived_id
from tables.postgres import Connection
from tables.queries import queries

SQL = queries("catalogue")
T = TypeVar("T")
Album = tuple[str | None, str]


class Naming:
    """The ids of one import."""

    def __init__(self) -> None:
        self._artists: dict[str, str] = {}
        self._albums: dict[Album, str] = {}
        #: Names that came with an id.
        self._given_artists: dict[str | None, str] = {}
        self._given_albums: dict[tuple[str | None, str | None], str] = {}

    async def identify(self, connection: Connection, table: pa.Table) -> pa.Table:
        """The table with an id wherever there is a name."""
        artists = table["artist_id"].to_pylist()
        names = table["artist_plain"].to_pylist()
        self._given_artists = _given(artists, names) | self._given_artists
        await self._find_artists(connection, _unnamed(artists, names))
        artists = [
            key if key is not None or name is None else self._artists[name]
            for key, name in zip(artists, names, strict=True)
        ]
        albums = table["album_id"].to_pylist()
        titles = list(zip(artists, table["album_plain"].to_pylist(), strict=True))
        self._given_albums = _given(albums, titles) | self._given_albums
        wanted = {
            title for key, title in zip(albums, titles, strict=True) if key is None and title[1] is not None
        }
        await self._find_albums(connection, wanted)
        albums = [
            key if key is not None or title[1] is None else self._albums[title]
            for key, title in zip(albums, titles, strict=True)
        ]
        return _with(_with(table, "artist_id", artists), "album_id", albums)

    async def _find_artists(self, connection: Connection, wanted: set[str]) -> None:
        missing = wanted - self._artists.keys()
        if missing:
            given = self._given_artists
            self._artists |= {name: given.get(name) or derived_id("artist", name) for name in missing}
            rows = await connection.fetch(SQL["find_artists"], list(missing))
            self._artists |= {row["plain"]: row["artist_id"] for row in rows}

    async def _find_albums(self, connection: Connection, wanted: set[Album]) -> None:
        missing = wanted - self._albums.keys()
        if missing:
            given = self._given_albums
            self._albums |= {
                album: given.get(album) or derived_id("album", album[0] or "", album[1]) for album in missing
            }
            rows = await connection.fetch(SQL["find_albums"], list({title for _, title in missing}))
            found = {(row["artist_id"], row["plain"]): row["album_id"] for row in rows}
            self._albums |= {album: key for album, key in found.items() if album in missing}


def _given(keys: list[str | None], names: list[T]) -> dict[T, str]:
    """The first id that came with each name."""
    return {name: key for key, name in zip(reversed(keys), reversed(names), strict=True) if key is not None}


def _unnamed(keys: list[str | None], names: list[str | None]) -> set[str]:
    return {name for key, name in zip(keys, names, strict=True) if key is None and name is not None}


def _with(table: pa.Table, column: str, values: list[Any]) -> pa.Table:
    return table.set_column(table.schema.get_field_index(column), column, pa.array(values, pa.string()))
