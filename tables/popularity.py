"""Popularity: what charts now, as the search ranks by it."""

from tables.postgres import Database
from tables.queries import queries

SQL = queries("catalogue")


async def refresh_popularity(database: Database) -> None:
    """Count it again: plays on the day charts of today and yesterday, all regions together."""
    async with database.transaction() as connection:
        for what in ("raise_popularity", "raise_artist_popularity", "raise_album_popularity"):
            await connection.execute(SQL[what])
