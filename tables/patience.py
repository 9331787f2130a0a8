"""A store that is worth waiting for: asks again until it answers, and says since when it does not.

The lake has nothing better to do than wait: what it holds is bounded, and the log keeps the rest.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from charts.errors import Unreachable
from tables.store import Body, Item, Store

log = logging.getLogger(__name__)

#: Pauses between attempts; each attempt has already retried for some seconds of its own.
PAUSE_S_FIRST = 0.2
PAUSE_S_MOST = 10.0

T = TypeVar("T")


class PatientStore:
    """Another store, asked until it answers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._away_since: float | None = None
        #: Why it did not answer last.
        self.why = ""

    @property
    def away_s(self) -> float:
        """For how long the store has not answered; 0 while it does."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    async def get(self, key: str) -> bytes:
        return await self._ask(lambda: self._store.get(key))

    async def get_end(self, key: str, size: int) -> bytes:
        return await self._ask(lambda: self._store.get_end(key, size))

    async def put(self, key: str, body: Body) -> None:
        await self._ask(lambda: self._store.put(key, body))

    async def put_new(self, key: str, body: Body) -> bool:
        return await self._ask(lambda: self._store.put_new(key, body))

    async def delete(self, key: str) -> None:
        await self._ask(lambda: self._store.delete(key))

    async def items(self, prefix: str) -> list[Item]:
        return await self._ask(lambda: self._store.items(prefix))

    async def folders(self, prefix: str) -> list[str]:
        return await self._ask(lambda: self._store.folders(prefix))

    async def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        pause = PAUSE_S_FIRST
        while True:
            try:
                answer = await ask()
            except Unreachable as error:
                if self._away_since is None:
                    log.warning("%s: waiting for it", error)
                    self._away_since = time.monotonic()
                self.why = str(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, PAUSE_S_MOST)
            else:
                if self._away_since is not None:
                    log.info("the object store answers again after %.0f s", self.away_s)
                    self._away_since = None
                return answer
