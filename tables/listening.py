"""Listening: what Postgres tells, for as long as it is there.

Whatever was told while nobody listened is lost, so after every (re)connect the listener starts from
what the tables say. A quiet connection is asked now and then, for one that died silently tells nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from charts.errors import Unreachable
from tables.postgres import Database

log = logging.getLogger(__name__)

#: How soon a lost connection is tried again.
RETRY_S = 1.0
#: How long a quiet connection is believed.
QUIET_S = 10.0

Told = tuple[str, str]


async def listen(
    database: Database,
    channels: tuple[str, ...],
    start: Callable[[], Awaitable[None]],
    hear: Callable[[list[Told]], Awaitable[None]],
    tick_s: float = QUIET_S,
) -> None:
    """Call `start` on every connect, then `hear` with what was told (nothing, every `tick_s`); for ever."""
    while True:
        try:
            await _listen(database, channels, start, hear, tick_s)
        except Unreachable as error:
            log.info("not listening: %s", error)
        await asyncio.sleep(RETRY_S)


async def _listen(
    database: Database,
    channels: tuple[str, ...],
    start: Callable[[], Awaitable[None]],
    hear: Callable[[list[Told]], Awaitable[None]],
    tick_s: float,
) -> None:
    heard: asyncio.Queue[Told | None] = asyncio.Queue()

    def take(_connection: Any, _pid: int, channel: str, payload: object) -> None:
        heard.put_nowait((channel, str(payload)))

    def lost(_connection: Any) -> None:
        heard.put_nowait(None)

    async with database.session() as session:
        session.add_termination_listener(lost)
        for channel in channels:
            await session.add_listener(channel, take)
        await start()
        asked = asyncio.get_running_loop().time()
        while True:
            told = await _some(heard, tick_s)
            if told is None:
                raise Unreachable("Postgres hung up")
            await hear(told)
            now = asyncio.get_running_loop().time()
            if now - asked > QUIET_S:
                await session.execute("SELECT 1")
                asked = now


async def _some(heard: "asyncio.Queue[Told | None]", tick_s: float) -> list[Told] | None:
    """Everything told by now, waiting a while for the first; None when the connection is lost."""
    told: list[Told] = []
    try:
        async with asyncio.timeout(tick_s):
            first = await heard.get()
    except TimeoutError:
        return told
    rest = [heard.get_nowait() for _ in range(heard.qsize())]
    for one in (first, *rest):
        if one is None:
            return None
        told.append(one)
    return told
