"""Hours: the plays of one hour, gathered from the raw zone.

A play counts while the stream is at most `lateness` past its hour, and may start a little ahead of it; so
an hour's plays lie in a handful of folders. Late ones lie anywhere after: an index says where.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import pyarrow as pa

from charts.selection import SELECTED, Basis, Through, counted_in, first_of_identity, select
from charts.verdict import Rulebook
from charts.window import HOUR_MS
from tables.late import LateFile
from tables.raw import Footer, Name, decode, footer_of
from tables.shares import Shares
from tables.store import Store
from tables.zone import Zone, log_ids

#: Files read at a time: about 3 MB and a tenth of a second each.
AT_ONCE = 4


class Hours:
    """Gathers the plays of hours."""

    def __init__(self, store: Store, book: Rulebook) -> None:
        self._store = store
        self._book = book
        #: Rows looked at so far.
        self.rows_read = 0

    def folders(self, hour: int, basis: Basis) -> range:
        """The hours of stream time whose files may hold a play that counts on this basis."""
        return counted_in(hour, basis.rules or self._book.on(hour // 24))

    async def through(self, log: str, partitions: int) -> Through:
        """How far the raw zone goes in each partition of a log."""
        zone = Zone(self._store, log)
        found = await asyncio.gather(*(zone.reach(partition) for partition in range(partitions)))
        return {log: {partition: offset for partition, offset in enumerate(found) if offset}}

    async def plays(self, hour: int, basis: Basis, late: Sequence[LateFile] = ()) -> AsyncIterator[pa.Table]:
        """The plays of an hour (counted from 1970), in tables that share no identity.

        As the stream judged, a partition after the other; else all together. `late` are the files that hold
        late plays of the day.
        """
        own = await self._files(basis.log, self.folders(hour, basis))
        if basis.rules is None and not basis.late:
            for partition in sorted(own):
                async for plays in self._distinct(self._select(basis.log, own[partition], hour, basis)):
                    yield plays
            return
        every = await self._all_files(own, hour, basis, late)
        async for plays in self._distinct(self._select_all(every, hour, basis)):
            yield plays

    async def _distinct(self, parts: AsyncIterator[pa.Table]) -> AsyncIterator[pa.Table]:
        """One row of each identity; of an hour that memory does not take, by some play ids at a time."""
        with Shares(SELECTED, "play_id") as shares:
            async for part in parts:
                await asyncio.to_thread(shares.add, part)
            for rows in shares.tables():
                yield await asyncio.to_thread(first_of_identity, rows, self._book)

    async def _all_files(
        self, own: dict[int, list[Name]], hour: int, basis: Basis, late: Sequence[LateFile]
    ) -> dict[str, dict[int, list[Name]]]:
        """Every file that may hold plays of the hour, of all logs where late plays count."""
        files = {basis.log: own}
        if not basis.late:
            return files
        for log in await log_ids(self._store):
            if log != basis.log:
                files[log] = await self._files(log, self.folders(hour, basis))
        for file in late:
            known = files.setdefault(file.log, {}).setdefault(file.name.partition, [])
            # One that grows still is among the tails.
            if all(name.first != file.name.first for name in known):
                known.append(file.name)
        return files

    async def _files(self, log: str, folders: range) -> dict[int, list[Name]]:
        """A log's files of some hours, by partition, with the tails that go on after the full ones."""
        zone = Zone(self._store, log)
        # In this order a tail that becomes full meanwhile is seen twice, never missed.
        growing = await zone.growing(await zone.tails())
        full = await zone.full(folders)
        known = {(name.partition, name.first) for name in full}
        found: dict[int, list[Name]] = defaultdict(list)
        for name in [*full, *(name for name in growing if (name.partition, name.first) not in known)]:
            found[name.partition].append(name)
        return dict(found)

    async def _select_all(
        self, files: dict[str, dict[int, list[Name]]], hour: int, basis: Basis
    ) -> AsyncIterator[pa.Table]:
        for log, partitions in files.items():
            for partition in sorted(partitions):
                async for part in self._select(log, partitions[partition], hour, basis):
                    yield part

    async def _select(
        self, log: str, files: Sequence[Name], hour: int, basis: Basis
    ) -> AsyncIterator[pa.Table]:
        zone = Zone(self._store, log)
        for first in range(0, len(files), AT_ONCE):
            batch = files[first : first + AT_ONCE]
            bodies = await asyncio.gather(*(zone.body(name) for name in batch))
            for body in bodies:
                footer = footer_of(body)
                part = await asyncio.to_thread(_selected, body, footer, hour, basis, self._book)
                self.rows_read += footer.rows
                if len(part):
                    yield part


def _selected(body: bytes, footer: Footer, hour: int, basis: Basis, book: Rulebook) -> pa.Table:
    """One file's part; most files of the neighbouring hours have none, which one column tells."""
    if hour not in _hours_of(decode(body, ["played_at"])):
        return SELECTED.empty_table()
    return select(decode(body), basis, book, log=footer.log, before=footer.before, hour=hour)


def _hours_of(rows: pa.Table) -> set[int]:
    """The hours that some rows were played in."""
    times = rows["played_at"].drop_null().cast(pa.int64()).to_numpy()
    return set((times // HOUR_MS).tolist())
