"""Sending through the front door: POST /v1/plays in lists, a few requests at a time.

Who comes later may overtake, as listeners do; the truth then holds for plays on time.
"""

import asyncio
from types import TracebackType
from typing import Self

import aiohttp

from charts.errors import Unreachable
from simulator.slice import Slice

#: Plays in one request, as the API takes them at most.
PLAYS_MAX = 1_000
_REQUESTS_MAX = 4
#: From the first byte to the acknowledgement by Kafka.
_TIMEOUT_S = 30
_RETRY_S = 0.5
_TRIES = 5
_AGAIN = (429, 500, 502, 503, 504)


class HttpSender:
    """Posts slices with an API token; ticks have no way through, nor do they need one."""

    def __init__(self, url: str, token: str) -> None:
        self._site = url.rstrip("/")
        self._url = f"{self._site}/v1/plays"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._session: aiohttp.ClientSession
        self._free = asyncio.Semaphore(_REQUESTS_MAX)
        self._flying: set[asyncio.Task[None]] = set()
        self.sent = self.failed = 0
        self.failure: str | None = None
        self._refused: Unreachable | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        try:
            async with self._session.get(f"{self._site}/health"):
                return self
        except (aiohttp.ClientError, TimeoutError) as error:
            await self._session.close()
            raise Unreachable(f"{self._site}: {error}") from None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._flying:
            task.cancel()
        await asyncio.gather(*self._flying, return_exceptions=True)
        await self._session.close()

    async def send(self, records: Slice) -> None:
        """Post the plays; waits while too many requests are on their way."""
        plays = [value for value in records.values if value is not None]
        for start in range(0, len(plays), PLAYS_MAX):
            await self._free.acquire()
            self._raise_refusal()
            task = asyncio.create_task(self._post(plays[start : start + PLAYS_MAX]))
            self._flying.add(task)
            task.add_done_callback(self._done)

    async def flush(self) -> None:
        """Everything posted so far is answered."""
        while self._flying:
            await asyncio.gather(*self._flying)
        self._raise_refusal()

    def _raise_refusal(self) -> None:
        """A token that is refused once is refused always."""
        if self._refused is not None:
            raise self._refused

    def _done(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._free.release()

    async def _post(self, plays: list[bytes]) -> None:
        body = b"[" + b",".join(plays) + b"]"
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(_RETRY_S * 2**attempt)
            try:
                async with self._session.post(self._url, data=body) as response:
                    if response.status == 202:
                        self.sent += len(plays)
                        return
                    self.failure = f"{response.status} {(await response.text())[:200]}"
                    if response.status in (401, 403):
                        self._refused = Unreachable(f"{self._url} refuses the token: {self.failure}")
                    if response.status not in _AGAIN:
                        break
            except (aiohttp.ClientError, TimeoutError) as error:
                self.failure = repr(error)
        self.failed += len(plays)
