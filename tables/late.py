"""Late plays: which raw files hold some, by the day they were played.

The footers say it; here it is written down, so that a day's late plays are found without reading the lake.
A growing file is noted under the name it will have once full: what it gains later is noted then.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from charts.selection import Through
from charts.window import DAY_MS, HOUR_MS
from tables.postgres import Database
from tables.queries import queries
from tables.raw import Footer, Name, full_key
from tables.rows import epoch_ms, moment
from tables.store import Store
from tables.zone import Zone, log_ids

SQL = queries("lake")


@dataclass(frozen=True, slots=True)
class LateFile:
    """A raw file with late plays of a day; one that grows still lies under `tail/`."""

    log: str
    key: str
    #: How far it went when it was looked through.
    next: int

    @property
    def name(self) -> Name:
        name = Name.of(self.key)
        assert name is not None
        return name

    def is_within(self, through: Through) -> bool:
        return self.next <= through.get(self.log, {}).get(self.name.partition, 0)


class LateIndex:
    """Finds late plays, and remembers which of them a revision has taken in."""

    def __init__(self, store: Store, database: Database) -> None:
        self._store = store
        self._database = database

    async def search(self) -> Through:
        """Look through the raw files that came or grew since the last time; returns how far that was."""
        return {log: await self._search_log(Zone(self._store, log)) for log in await log_ids(self._store)}

    async def days(self, most: int) -> list[int]:
        """Days (counted from 1970) that have charts and late plays not yet in them."""
        rows = await self._database.fetch(SQL["get_late_days"], most)
        return [(row["day"].toordinal() - _EPOCH) for row in rows]

    async def files(self, day: int) -> list[LateFile]:
        """The files with late plays of a day."""
        rows = await self._database.fetch(SQL["get_late"], moment(day * DAY_MS).date())
        return [LateFile(row["log_id"], row["key"], row["next_offset"]) for row in rows]

    async def taken(self, day: int, files: Sequence[LateFile]) -> None:
        """These files' late plays of a day are in its charts, as far as they were looked through."""
        keys, ends = [file.key for file in files], [file.next for file in files]
        await self._database.execute(SQL["take_late"], moment(day * DAY_MS).date(), keys, ends)

    async def _search_log(self, zone: Zone) -> dict[int, int]:
        rows = await self._database.fetch(SQL["get_searched"], zone.log)
        known = {row["partition"]: row["next_offset"] for row in rows}
        seen = {row["partition"]: row["seen"] for row in rows}
        since = min((epoch_ms(row["hour"]) // HOUR_MS for row in rows), default=0)
        # In this order a file that becomes full meanwhile is seen twice, never missed.
        tails = await zone.tails()
        for hour in await zone.hours(range(since, _NEVER)):
            for name in await zone.full([hour]):
                if name.first >= known.get(name.partition, 0):
                    await self._note(await zone.footer(name), "put_searched", seen)
        for name in await zone.growing(tails):
            if (name.next or 0) > seen.get(name.partition, 0):
                await self._note(await zone.footer(name), "put_seen", seen)
        return seen

    async def _note(self, footer: Footer, how: str, seen: dict[int, int]) -> None:
        key, hour = full_key(footer), moment(footer.after // HOUR_MS * HOUR_MS)
        async with self._database.transaction() as connection:
            for day, count in footer.late.items():
                date = moment(int(day) * DAY_MS).date()
                await connection.execute(SQL["put_late"], key, footer.log, date, count, footer.next)
            await connection.execute(SQL[how], footer.log, footer.partition, footer.next, hour)
        seen[footer.partition] = max(footer.next, seen.get(footer.partition, 0))


_EPOCH = moment(0).date().toordinal()
#: Later than any hour there will be.
_NEVER = 1 << 40
