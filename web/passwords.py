"""Passwords: argon2id, in threads, a few at a time.

One hash takes 64 MiB and a tenth of a second of a core: two threads bound what a flood of log-ins can
take. An unknown user's password is checked against a hash nobody knows the password of, which takes
as long as a known one's.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from secrets import token_urlsafe
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

Result = TypeVar("Result")

#: Hashes at a time; others wait.
THREADS = 2


@cache
def _nobody() -> str:
    """The hash of a password that was never written down."""
    return PasswordHasher().hash(token_urlsafe(32))


class Passwords:
    """Hashes and checks passwords off the loop."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        _nobody()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")

    async def hash(self, password: str) -> str:
        return await self._run(self._hasher.hash, password)

    async def check(self, known: str | None, password: str) -> bool:
        """Whether this is the password behind the hash; as slow where there is none."""
        fits = await self._run(self._fits, known or _nobody(), password)
        return fits and known is not None

    def is_old(self, known: str) -> bool:
        """Whether the hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(known)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[..., Result], *given: str) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *given)

    def _fits(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (Argon2Error, InvalidHashError):
            return False
