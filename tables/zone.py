"""The raw zone as it lies in the store: which files there are, and where each partition's log goes on.

Tails are listed before full files: one that becomes full in between is seen twice and told by its name,
never missed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from charts.errors import NotFound
from charts.window import HOUR_MS, parse_time
from tables.raw import FOOTER_BYTES, Footer, Name, footer_bytes, footer_of, names, raw_folder, tail_folder
from tables.store import Store

#: A tail may be replaced between two looks, not at each of many.
_LOOKS = 5


class Zone:
    """The raw files of one log."""

    def __init__(self, store: Store, log: str) -> None:
        self.store = store
        self.log = log

    async def last(self, partition: int) -> Footer | None:
        """The footer of a partition's last full file, or None before the first."""
        async for found in self._backwards(partition):
            return await self.footer(found[-1])
        return None

    async def _backwards(self, partition: int) -> AsyncIterator[list[Name]]:
        """A partition's full files, hour by hour from the last: nearly always that has what is looked for."""
        root = raw_folder(self.log)
        for date in reversed(await self.store.folders(root)):
            for hour in reversed(await self.store.folders(f"{root}{date}/")):
                items = await self.store.items(f"{root}{date}/{hour}/p{partition:03}-")
                if found := names(item.key for item in items):
                    yield found

    async def hours(self, among: range | None = None) -> list[int]:
        """The hours that have full files, all or among some, in order."""
        found = []
        for date in await self.store.folders(raw_folder(self.log)):
            start = parse_time(date.removeprefix("date=")) // HOUR_MS
            if among is None or (start < among.stop and among.start < start + 24):
                hours = await self.store.folders(f"{raw_folder(self.log)}{date}/")
                found += [start + int(hour.removeprefix("hour=")) for hour in hours]
        return [hour for hour in found if among is None or hour in among]

    async def first_hour(self) -> int | None:
        """The hour of stream time of the first record, counted from 1970."""
        hours = await self.hours()
        if hours:
            return hours[0]
        footers = [await self.footer(name) for name in await self.growing(await self.tails())]
        return min((footer.after // HOUR_MS for footer in footers), default=None)

    async def full(self, hours: Iterable[int]) -> list[Name]:
        """The full files of some hours of stream time, by partition and offset."""
        keys = [item.key for hour in hours for item in await self.store.items(raw_folder(self.log, hour))]
        return names(keys)

    async def tails(self, partition: int | None = None) -> list[Name]:
        """The growing files; of one chunk there may be several, the longest counts."""
        which = f"p{partition:03}-" if partition is not None else ""
        return names(item.key for item in await self.store.items(tail_folder(self.log) + which))

    async def growing(self, tails: list[Name]) -> list[Name]:
        """Of some tails those that count: the longest of each chunk that has no full file."""
        longest: dict[tuple[int, int], Name] = {}
        for name in tails:
            place = name.partition, name.first
            longest[place] = max(name, longest.get(place, name), key=lambda name: name.next or 0)
        last = {partition: await self.last(partition) for partition, _ in longest}
        return [
            name
            for (partition, first), name in sorted(longest.items())
            if first >= (footer.next if (footer := last[partition]) else 0)
        ]

    async def _grown(self, tail: Name) -> Name:
        """What a tail has become that is gone: a longer one, or its chunk's full file; raises NotFound."""
        longer = [name for name in await self.tails(tail.partition) if name.first == tail.first]
        if longer:
            return longer[-1]
        async for found in self._backwards(tail.partition):
            for name in found:
                if name.first == tail.first:
                    return name
            if found[0].first < tail.first:
                break
        raise NotFound(f"nothing goes on where {tail.key} was")

    async def reach(self, partition: int) -> int:
        """The offset up to which everything of a partition is in the raw zone."""
        tails = await self.tails(partition)
        last = await self.last(partition)
        start = last.next if last else 0
        return max((name.next or 0 for name in tails if name.first >= start), default=start)

    async def footer(self, name: Name) -> Footer:
        """What a file says of itself; raises NotFound."""
        return footer_of(await self.end(name, FOOTER_BYTES))

    async def end(self, name: Name, size: int) -> bytes:
        """A file's last bytes, more where its footer alone takes more; raises NotFound."""

        async def read(key: str) -> bytes:
            end = await self.store.get_end(key, size)
            needed = footer_bytes(end)
            return await self.store.get_end(key, needed) if needed > len(end) else end

        return await self._followed(name, read)

    async def body(self, name: Name) -> bytes:
        """A whole file; raises NotFound."""
        return await self._followed(name, self.store.get)

    async def _followed(self, name: Name, read: Callable[[str], Awaitable[bytes]]) -> bytes:
        """Read a file, or what it has become: while some are read the tails among the others are replaced."""
        for _ in range(_LOOKS):
            try:
                return await read(name.key)
            except NotFound:
                if name.next is None:
                    raise
                name = await self._grown(name)
        return await read(name.key)


async def log_ids(store: Store) -> list[str]:
    """The logs that have raw files, be they growing."""
    found = {*await store.folders("raw/"), *await store.folders("tail/")}
    return sorted(name.removeprefix("log=") for name in found)
