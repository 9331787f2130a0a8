"""Sessions: refresh tokens, each good for one use.

A log-in starts a family. Whoever shows a token that was used before, thief or owner, ends the family:
one of the two has a copy, and nobody can tell which.

What starts, rotates or ends a family first locks the row of its user. A statement does not see what another
transaction inserts while it waits: without the lock a family lives on in the token a rotation is adding.
"""

from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from uuid import UUID, uuid4

from tables.postgres import Connection, Database
from tables.queries import queries

_SQL = queries("accounts")
_PREFIX = "lcr_"


@dataclass(frozen=True, slots=True)
class Reused:
    """A token was shown twice: its family has ended."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class Rotated:
    """The next token of a family."""

    user_id: UUID
    token: str


class Sessions:
    """The refresh tokens of one database; of each only the hash is stored."""

    def __init__(self, database: Database, lifetime_s: float) -> None:
        self._database = database
        self._lifetime_s = lifetime_s

    async def start(self, user_id: UUID, password_hash: str) -> str | None:
        """The first token of a new family; None where this is not the password (any more)."""
        async with self._database.transaction() as connection:
            if await connection.fetchrow(_SQL["lock_unchanged_user"], user_id, password_hash) is None:
                return None
            await connection.execute(_SQL["forget_refresh"])
            return await self._issue(connection, uuid4(), user_id)

    async def rotate(self, token: str) -> Rotated | Reused | None:
        """Uses a token up for the next one; None where it means nothing (any more)."""
        used = _hash(token)
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock_user_of"], used)
            row = await connection.fetchrow(_SQL["use_refresh"], used)
            if row is not None:
                issued = await self._issue(connection, row["family"], row["user_id"])
                return Rotated(row["user_id"], issued)
            reused = await connection.fetchrow(_SQL["reused_refresh"], used)
            if reused is None:
                return None
            await connection.execute(_SQL["end_family"], reused["family"])
            return Reused(reused["user_id"])

    async def end(self, token: str) -> UUID | None:
        """Ends the family a token is of; returns whose it was, if it still was one."""
        shown = _hash(token)
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock_user_of"], shown)
            return await connection.fetchval(_SQL["end_family_of"], shown)

    async def _issue(self, connection: Connection, family: UUID, user_id: UUID) -> str:
        token = _PREFIX + token_urlsafe(32)
        await connection.execute(_SQL["issue_refresh"], _hash(token), family, user_id, self._lifetime_s)
        return token


def _hash(token: str) -> bytes:
    """256 random bits need no slow hash."""
    return sha256(token.encode()).digest()
