"""Blocked: waiting until somebody waits for somebody else's lock."""

import asyncio

from tables.postgres import Database

#: Far longer than any of them takes to get there.
DEADLINE_S = 20.0
_WAITING = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def until_blocked(database: Database) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await database.fetch(_WAITING):
            await asyncio.sleep(0.01)
