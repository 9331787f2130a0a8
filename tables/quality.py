"""What the quality monitor reads of Postgres, and where it leaves what it found."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from charts.quality import CHECKS, Check, Place
from charts.window import Window
from tables.postgres import Database
from tables.queries import queries
from tables.rows import epoch_ms, moment

SQL = queries("quality")
#: Looks are kept so long.
LOOKS_DAYS = 30


@dataclass(frozen=True, slots=True)
class Stored:
    """The history and the lake's journal from some time on."""

    #: The plays of every final chart.
    plays: dict[Place, int]
    #: The plays of every curated hour.
    curated: dict[Window, int]
    #: The first hour that was ever curated.
    first_curated: Window | None
    #: The logs that the curated hours of a day are of.
    logs: dict[Window, set[str]]


@dataclass(frozen=True, slots=True)
class Look:
    """One look of the monitor."""

    looked_at: int
    as_of: int
    checks: tuple[Check, ...]


async def read_stored(database: Database, since: int) -> Stored:
    """Everything that starts at or after a time."""
    totals = await database.fetch(SQL["get_totals"], moment(since))
    hours = await database.fetch(SQL["get_curated"], moment(since))
    first = await database.fetchval(SQL["get_first_curated"])
    logs: dict[Window, set[str]] = defaultdict(set)
    for row in hours:
        logs[Window.at("day", epoch_ms(row["starts_at"]))].add(row["log_id"])
    return Stored(
        {
            (row["region"], Window(row["window_kind"], epoch_ms(row["starts_at"]))): row["plays"]
            for row in totals
        },
        {Window("hour", epoch_ms(row["starts_at"])): row["rows_out"] for row in hours},
        Window("hour", epoch_ms(first)) if first else None,
        logs,
    )


async def write_look(database: Database, as_of: int, checks: Sequence[Check]) -> None:
    """Leave a look for whoever asks, and forget the old ones."""
    found = orjson.dumps({check.name: check.faults for check in checks}).decode()
    async with database.transaction() as connection:
        await connection.execute(SQL["put_look"], moment(as_of), found)
        await connection.execute(SQL["forget_looks"], LOOKS_DAYS)


async def last_look(database: Database) -> Look | None:
    """The last look, whoever took it."""
    row = await database.fetchrow(SQL["get_look"])
    if row is None:
        return None
    found = orjson.loads(row["checks"])
    checks = tuple(Check(name, tuple(found[name])) for name in CHECKS if name in found)
    return Look(epoch_ms(row["looked_at"]), epoch_ms(row["as_of"]), checks)
