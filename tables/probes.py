"""Probes: how a server we depend on is, in one line. `/ready` and `charts check` ask the same ones."""

import secrets
from dataclasses import dataclass

from charts.errors import NotFound, Unreachable
from charts.settings import Settings
from tables.migrations import pending
from tables.postgres import Database
from tables.store import open_store


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found: of which part, of what in it, whether that is as it should be, and what it says."""

    part: str
    what: str
    ok: bool
    says: str


async def probe_postgres(database: Database) -> Finding:
    """Its version, and whether its tables are of ours."""
    try:
        version = await database.fetchval("SHOW server_version")
        waiting = await pending(database)
    except Unreachable as error:
        return Finding("postgres", "server", False, str(error))
    says = f"{version}, all migrations applied"
    if waiting:
        names = ", ".join(migration.path.stem for migration in waiting)
        says = f"{version}, wants `charts migrate`: {names}"
    return Finding("postgres", "server", not waiting, says)


async def probe_store(settings: Settings) -> Finding:
    """An object written, read back and deleted."""
    if not settings.lake_url:
        return Finding("store", "lake", True, "none")
    key, body = f"probe/{secrets.token_hex(8)}", secrets.token_bytes(64)
    try:
        async with open_store(settings) as store:
            await store.put(key, body)
            try:
                same = await store.get(key) == body
            finally:
                await store.delete(key)
    except (Unreachable, NotFound) as error:
        return Finding("store", settings.lake_url, False, str(error))
    says = "a probe was written, read and deleted" if same else "a probe came back changed"
    return Finding("store", settings.lake_url, same, says)
