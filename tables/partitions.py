"""Months: the partitions of the history, made when first needed and dropped when too old.

A month is a calendar month of the windows' starts. Making one takes a moment's lock on the parent, so
what exists is remembered and asked for once per process.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from tables.postgres import Connection

PARENTS = ("chart_snapshots", "chart_entries")
#: One process makes partitions at a time.
LOCK = 0x6D6F6E74

_EXISTING = """
SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass($1)"""


def month_of(time_ms: int) -> datetime:
    """The first moment of a time's month."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )


async def ensure_months(connection: Connection, starts: Iterable[int]) -> None:
    """Make the months these windows fall into; inside the caller's transaction."""
    for month in sorted({month_of(start) for start in starts}):
        names = [_name(parent, month) for parent in PARENTS]
        found = "SELECT count(to_regclass(name)) FROM unnest($1::text[]) AS name"
        if await connection.fetchval(found, names) == len(PARENTS):
            continue
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        following = _following(month)
        for parent, name in zip(PARENTS, names, strict=True):
            await connection.execute(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {parent} "
                f"FOR VALUES FROM ('{month.isoformat()}') TO ('{following.isoformat()}')"
            )


async def drop_months(connection: Connection, before_ms: int) -> list[str]:
    """Drop the months that ended by then; returns the tables dropped."""
    dropped = []
    await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
    for parent in PARENTS:
        oldest_kept = _name(parent, month_of(before_ms))
        for row in await connection.fetch(_EXISTING, parent):
            # The names sort as the months do.
            if row["relname"] < oldest_kept:
                await connection.execute(f"DROP TABLE {row['relname']}")
                dropped.append(row["relname"])
    return sorted(dropped)


def _name(parent: str, month: datetime) -> str:
    return f"{parent}_{month:%Y_%m}"


def _following(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
