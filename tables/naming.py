"""Naming: ids for the artists and albums a sheet knows by name only.

A name that the catalogue has, however it is spelt, or that the sheet itself gave an id so far, is that artist
or album, of several the one with the smallest id; another gets the id that follows from it. What was found is
remembered for the rest of the import.
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
        _give(self._given_artists, artists, names)
        await self._find_artists(connection, _unnamed(artists, names))
        artists = [
            key if key is not None or name is None else self._artists[name]
            for key, name in zip(artists, names, strict=True)
        ]
        albums = table["album_id"].to_pylist()
        titles = list(zip(artists, table["album_plain"].to_pylist(), strict=True))
        _give(self._given_albums, albums, titles)
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
            for row in rows:
                name, key = row["plain"], row["artist_id"]
                self._artists[name] = min(key, given.get(name, key))

    async def _find_albums(self, connection: Connection, wanted: set[Album]) -> None:
        missing = wanted - self._albums.keys()
        if missing:
            given = self._given_albums
            self._albums |= {
                album: given.get(album) or derived_id("album", album[0] or "", album[1]) for album in missing
            }
            rows = await connection.fetch(SQL["find_albums"], list({title for _, title in missing}))
            found = {(row["artist_id"], row["plain"]): row["album_id"] for row in rows}
            self._albums |= {
                album: min(key, given.get(album, key)) for album, key in found.items() if album in missing
            }


def _give(given: dict[T, str], keys: list[str | None], names: list[T]) -> None:
    """Note the smallest id that came with each name, as the catalogue is asked for."""
    for key, name in zip(keys, names, strict=True):
        if key is not None:
            given[name] = min(key, given.get(name, key))


def _unnamed(keys: list[str | None], names: list[str | None]) -> set[str]:
    return {name for key, name in zip(keys, names, strict=True) if key is None and name is not None}


def _with(table: pa.Table, column: str, values: list[Any]) -> pa.Table:
    return table.set_column(table.schema.get_field_index(column), column, pa.array(values, pa.string()))
