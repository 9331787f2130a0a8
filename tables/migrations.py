"""Migrations: numbered SQL files, each applied once, in order, by whoever comes first.

One transaction per file, under an advisory lock that ends with it: a second process waits, then finds
the file applied; one that dies leaves nothing half done.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from charts.errors import BrokenInvariant
from tables.postgres import Connection, Database

FOLDER = Path(__file__).parent / "sql"
#: Any number will do that no other user of the database takes for its own lock.
LOCK = 0x6C697665
#: A migration may rewrite a large table.
MIGRATION_TIMEOUT_S = 3600.0

_NAME = re.compile(r"(\d{3})_(\w+)\.sql")
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""


@dataclass(frozen=True, slots=True, order=True)
class Migration:
    """One SQL file."""

    version: int
    name: str
    path: Path


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """The files of the folder in order; two of one number are a mistake."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        found.append(Migration(int(match[1]), match[2], path))
    if len({migration.version for migration in found}) != len(found):
        raise BrokenInvariant(f"two migrations of one number in {folder}")
    return found


async def migrate(database: Database, folder: Path = FOLDER) -> list[Migration]:
    """Apply what is missing; returns what this process applied."""
    applied = []
    async with database.session() as connection:
        for migration in migrations(folder):
            if await _apply(connection, migration):
                applied.append(migration)
    return applied


async def pending(database: Database, folder: Path = FOLDER) -> list[Migration]:
    """What is not applied yet."""
    async with database.connection() as connection:
        known = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
        rows = await connection.fetch("SELECT version FROM schema_migrations") if known else []
    done = {row["version"] for row in rows}
    return [migration for migration in migrations(folder) if migration.version not in done]


async def _apply(connection: Connection, migration: Migration) -> bool:
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK, timeout=MIGRATION_TIMEOUT_S)
        await connection.execute(_TABLE)
        version = migration.version
        if await connection.fetchval("SELECT 1 FROM schema_migrations WHERE version = $1", version):
            return False
        try:
            await connection.execute(migration.path.read_text(), timeout=MIGRATION_TIMEOUT_S)
        except asyncpg.PostgresError as error:
            error.add_note(f"in {migration.path.name}")
            raise
        await connection.execute(
            "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)", version, migration.name
        )
        return True
