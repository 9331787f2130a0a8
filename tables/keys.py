"""Keys: how a machine posts plays. Shown once, stored hashed; its first part names it for ever."""

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from secrets import token_hex, token_urlsafe
from uuid import UUID

from charts.errors import NotFound
from tables.postgres import Database, Row
from tables.queries import queries

_SQL = queries("accounts")
#: What a key looks like; nothing else is worth a question to Postgres.
KEY_SHAPE = re.compile(r"lck_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Key:
    """A key, without its secret."""

    key_id: str
    name: str
    scope: str
    region: str | None
    user_id: UUID
    owner: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class Keys:
    """The API keys of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, user_id: UUID, name: str, region: str | None, lifetime_s: float | None
    ) -> tuple[Key, str]:
        """A new key, and its secret form: the only time it is seen."""
        key_id = token_hex(6)
        secret = f"lck_{key_id}_{token_urlsafe(32)}"
        row = await self._database.fetchrow(
            _SQL["create_key"], key_id, _hash(secret), name, region, user_id, lifetime_s
        )
        assert row is not None
        return _key(row), secret

    async def use(self, secret: str) -> Key | None:
        """The key a caller shows, if it still opens anything; remembers when it was used."""
        match = KEY_SHAPE.fullmatch(secret)
        if match is None:
            return None
        row = await self._database.fetchrow(_SQL["use_key"], match[1], _hash(secret))
        return _key(row) if row else None

    async def all(self, user_id: UUID | None, limit: int) -> list[Key]:
        """One user's keys, or everybody's, newest first."""
        return [_key(row) for row in await self._database.fetch(_SQL["keys"], user_id, limit)]

    async def revoke(self, key_id: str, user_id: UUID | None) -> str:
        """Ends a key of this user (of anybody, without one); returns its name."""
        name = await self._database.fetchval(_SQL["revoke_key"], key_id, user_id)
        if name is None:
            raise NotFound(f"there is no key {key_id} to revoke")
        return str(name)


def _key(row: Row) -> Key:
    return Key(**{name: row[name] for name in Key.__slots__})


def _hash(secret: str) -> bytes:
    """256 random bits need no slow hash."""
    return sha256(secret.encode()).digest()
