"""Accounts: who there is, how often a log-in failed, and the audit log.

Passwords arrive hashed; nothing here ever sees one.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson

from charts.errors import Conflict, NotFound
from tables.postgres import Database, Row
from tables.queries import queries

Role = Literal["viewer", "editor", "admin"]
#: The first lock of a name, in seconds; each further failure doubles it …
LOCK_S = 30.0
#: … up to this.
LOCK_S_MAX = 900.0

_SQL = queries("accounts")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a password."""

    user_id: UUID
    name: str
    role: Role
    active: bool
    created_at: datetime
    #: Up to when a scrobbler has imported, seconds since 1970.
    latest_import: int
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the audit log."""

    event: str
    name: str | None = None
    actor: str | None = None
    address: str | None = None
    request_id: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


class Accounts:
    """The users of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, name: str, password_hash: str, role: Role) -> User:
        row = await self._database.fetchrow(_SQL["create_user"], name, password_hash, role)
        if row is None:
            raise Conflict(f"there is a user {name} already")
        return _user(row)

    async def by_name(self, name: str) -> User | None:
        row = await self._database.fetchrow(_SQL["user_by_name"], name)
        return _user(row) if row else None

    async def by_id(self, user_id: UUID) -> User | None:
        row = await self._database.fetchrow(_SQL["user_by_id"], user_id)
        return _user(row) if row else None

    async def all(self, limit: int) -> list[User]:
        return [_user(row) for row in await self._database.fetch(_SQL["users"], limit)]

    async def change(self, name: str, role: Role | None = None, active: bool | None = None) -> User:
        """Another role, or switched off; who is switched off, or loses a role, must log in again."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_SQL["change_user"], name, role, active)
            if row is None:
                raise NotFound(f"there is no user {name}")
            await connection.execute(_SQL["end_families_of_user"], row["user_id"])
        return _user(row)

    async def set_password(
        self, user_id: UUID, password_hash: str, *, instead_of: str | None = None, end_sessions: bool = True
    ) -> bool:
        """Another hash, unless the present one is no longer `instead_of`; returns whether it was set."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_SQL["set_password"], user_id, password_hash, instead_of)
            if row is not None and end_sessions:
                await connection.execute(_SQL["end_families_of_user"], user_id)
        return row is not None

    async def import_until(self, name: str, moment_s: int) -> None:
        """Remember how far somebody's listens were imported; never less than before."""
        await self._database.execute(_SQL["import_until"], name, moment_s)

    async def locked_for(self, name: str) -> float:
        """Seconds for which nobody can log in by this name, whether it exists or not."""
        return await self._database.fetchval(_SQL["locked_for"], name) or 0.0

    async def fail(self, name: str) -> float:
        """One more failed log-in; returns the seconds the name is locked for now."""
        return await self._database.fetchval(_SQL["fail"], name, LOCK_S, LOCK_S_MAX)

    async def forget_failures(self, name: str) -> None:
        await self._database.execute(_SQL["forget_failures"], name)

    async def record(self, event: Event) -> None:
        """A line in the audit log."""
        details = orjson.dumps(event.details).decode()
        await self._database.execute(
            _SQL["record"], event.event, event.name, event.actor, event.address, event.request_id, details
        )

    async def audit(self, limit: int, before: int = 1 << 62) -> list[dict[str, Any]]:
        """The latest lines of the audit log, newest first."""
        rows = await self._database.fetch(_SQL["audit"], before, limit)
        return [{**row, "details": orjson.loads(row["details"])} for row in rows]


def _user(row: Row) -> User:
    return User(**{name: row[name] for name in User.__slots__})
