"""Late plays: which raw files hold some, by the day they were played.

The footers say it; here it is written down, so that a day's late plays are found without reading the lake.
"""

from charts.window import DAY_MS, HOUR_MS
from tables.postgres import Database
from tables.queries import queries
from tables.rows import epoch_ms, moment
from tables.store import Store
from tables.zone import Zone, log_ids

SQL = queries("lake")


class LateIndex:
    """Finds late plays, and remembers which of them a revision has taken in."""

    def __init__(self, store: Store, database: Database) -> None:
        self._store = store
        self._database = database

    async def search(self) -> int:
        """Look through the raw files that came since the last time; returns how many there were."""
        return sum([await self._search(Zone(self._store, log)) for log in await log_ids(self._store)])

    async def days(self, most: int) -> list[int]:
        """Days (counted from 1970) that have charts and late plays not yet in them."""
        rows = await self._database.fetch(SQL["get_late_days"], most)
        return [(row["day"].toordinal() - _EPOCH) for row in rows]

    async def files(self, day: int) -> list[tuple[str, str]]:
        """The files with late plays of a day: log and key."""
        rows = await self._database.fetch(SQL["get_late"], moment(day * DAY_MS).date())
        return [(row["log_id"], row["key"]) for row in rows]

    async def taken(self, day: int, files: list[tuple[str, str]]) -> None:
        """These files' late plays of a day are in its charts."""
        keys = [key for _, key in files]
        await self._database.execute(SQL["take_late"], moment(day * DAY_MS).date(), keys)

    async def _search(self, zone: Zone) -> int:
        rows = await self._database.fetch(SQL["get_searched"], zone.log)
        known = {row["partition"]: row["next_offset"] for row in rows}
        since = min((epoch_ms(row["hour"]) // HOUR_MS for row in rows), default=0)
        seen = 0
        for hour in await zone.hours():
            if hour < since:
                continue
            for name in await zone.full(range(hour, hour + 1)):
                if name.first < known.get(name.partition, 0):
                    continue
                footer = await zone.footer(name)
                async with self._database.transaction() as connection:
                    for day, count in footer.late.items():
                        date = moment(int(day) * DAY_MS).date()
                        await connection.execute(SQL["put_late"], name.key, zone.log, date, count)
                    place = zone.log, name.partition, footer.next, moment(hour * HOUR_MS)
                    await connection.execute(SQL["put_searched"], *place)
                seen += 1
        return seen


_EPOCH = moment(0).date().toordinal()
