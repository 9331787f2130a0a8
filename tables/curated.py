"""The curated zone: exactly the plays a chart counts, with names, one file per region and hour.

    plays/region=US/date=2026-11-21/hour=14/part-0.parquet

A region's hour is one object, and a store replaces an object in one step: whoever reads sees the hour as it
was or as it is, never half of it, never twice. Every row says its revision, so readers of many files can
tell old from new. A plain Hive layout: region, date and hour stand in the path alone.
"""

import asyncio
import hashlib
import re
import tempfile
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from charts.errors import NotFound
from charts.rows import NAMES, TIME
from charts.selection import SELECTED
from tables.jobs import Job
from tables.piles import Piles
from tables.raw import FOOTER_BYTES, SCHEMA_VERSION, hour_folder, metadata_of, write_parquet
from tables.store import Store

CURATED = pa.schema(
    [
        ("play_id", pa.string()),
        ("user_id", pa.string()),
        ("track_id", pa.string()),
        ("title", pa.string()),
        ("artist", pa.string()),
        ("album", pa.string()),
        ("genre", pa.string()),
        ("played_at", TIME),
        ("ms_played", pa.int64()),
        ("source", pa.string()),
        ("extra", pa.string()),
        ("log", NAMES),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("late", pa.bool_()),
        ("revision", pa.int32()),
    ]
)
_METADATA = b"livecharts"
_REPEATING = ["user_id", "track_id", "title", "artist", "album", "genre", "source", "log", "partition"]
_COUNTING = dict.fromkeys(["played_at", "ms_played", "offset"], "DELTA_BINARY_PACKED")
#: Tracks asked of the catalogue at a time.
_ASKED = 10_000

_HOUR = re.compile(r"/hour=(\d\d)/part-0\.parquet$")

#: What the catalogue knows of some tracks.
Catalogue = Callable[[Iterable[str]], Awaitable[list[Mapping[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Label:
    """What a curated file says of itself."""

    region: str
    hour: int
    revision: int
    rows: int
    #: Of which rows of the log it was made, in short.
    digest: str
    version: int = SCHEMA_VERSION


def curated_key(region: str, hour: int) -> str:
    return f"plays/region={region}/{hour_folder(hour)}part-0.parquet"


class Sorted(Piles):
    """The plays of an hour by region, on disk: an hour may be larger than memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, SELECTED)

    def add(self, plays: pa.Table) -> None:
        region = plays["region"].cast(pa.string())
        for name in pc.unique(region).to_pylist():
            self.put(name, plays.filter(pc.equal(region, name)))


class Curated:
    """Writes hours of the curated zone."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue

    async def write(
        self, hour: int, plays: AsyncIterable[pa.Table], revisions: Mapping[str, int], job: Job
    ) -> None:
        """Write an hour: every region whose plays, or revision, are others than those that lie there."""
        with tempfile.TemporaryDirectory(prefix="charts-curate-") as folder:
            found = Sorted(Path(folder))
            async for table in plays:
                if len(table):
                    await asyncio.to_thread(found.add, table)
            found.close()
            for region in found.names:
                rows = await asyncio.to_thread(found.read, region)
                await self._write_region(region, hour, rows, revisions.get(region, 0), job)
            for region, _ in await self.places(range(hour, hour + 1)):
                if region not in found.names:
                    await self._store.delete(curated_key(region, hour))

    async def label(self, region: str, hour: int) -> Label | None:
        """What lies there, if anything does."""
        try:
            end = await self._store.get_end(curated_key(region, hour), FOOTER_BYTES)
        except NotFound:
            return None
        return Label(**orjson.loads(metadata_of(end)[_METADATA]))

    async def read(self, region: str, hour: int, columns: list[str]) -> pa.Table | None:
        """A region's hour, if there is one."""
        try:
            body = await self._store.get(curated_key(region, hour))
        except NotFound:
            return None
        return await asyncio.to_thread(pq.read_table, pa.BufferReader(body), columns=columns)

    async def places(self, hours: range) -> list[tuple[str, int]]:
        """The regions and hours there are files of, by hour."""
        regions = await self._store.folders("plays/")
        dates = {hour_folder(hour).partition("/")[0]: hour // 24 * 24 for hour in hours}
        turn = asyncio.Semaphore(16)

        async def listed(region: str, date: str) -> list[tuple[str, int]]:
            async with turn:
                items = await self._store.items(f"plays/{region}/{date}/")
            found = (_HOUR.search(item.key) for item in items)
            name = region.removeprefix("region=")
            return [(name, dates[date] + int(hour[1])) for hour in found if hour]

        lists = await asyncio.gather(*(listed(region, date) for region in regions for date in dates))
        places = (place for places in lists for place in places if place[1] in hours)
        return sorted(places, key=lambda place: (place[1], place[0]))

    async def _write_region(self, region: str, hour: int, rows: pa.Table, revision: int, job: Job) -> None:
        rows = rows.sort_by([("track_id", "ascending"), ("played_at", "ascending"), ("offset", "ascending")])
        label = Label(region, hour, revision, len(rows), digest_of(rows))
        job.rows_out += len(rows)
        if await self.label(region, hour) == label:
            return
        known = await self._known(pc.unique(rows["track_id"]).to_pylist())
        body = await asyncio.to_thread(_file, rows, known, label)
        await self._store.put(curated_key(region, hour), body)
        job.files += 1
        job.bytes += body.nbytes

    async def _known(self, tracks: list[str]) -> pa.Table:
        found: list[Mapping[str, Any]] = []
        for first in range(0, len(tracks), _ASKED):
            found += await self._catalogue(tracks[first : first + _ASKED])
        return pa.Table.from_pylist(found, schema=_KNOWN)


_KNOWN = pa.schema([(name, pa.string()) for name in ("track_id", "title", "artist", "album", "genre")])


def digest_of(rows: pa.Table) -> str:
    """Which records a table is made of, whatever their order."""
    logs = rows["log"].cast(pa.string()).combine_chunks().dictionary_encode()
    names = logs.dictionary.to_pylist()
    rank = np.argsort(np.argsort(names))[logs.indices.to_numpy()]
    partition, offset = rows["partition"].to_numpy(), rows["offset"].to_numpy()
    order = np.lexsort((offset, partition, rank))
    digest = hashlib.sha256("\n".join(sorted(names)).encode())
    for column in (rank, partition, offset):
        digest.update(column[order].astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def _file(rows: pa.Table, known: pa.Table, label: Label) -> memoryview:
    """A region's hour as a file; the catalogue's names go before what the play itself said."""
    where = pc.index_in(rows["track_id"], value_set=known["track_id"].combine_chunks())
    columns = {name: rows[name] for name in rows.column_names}
    for name in ("title", "artist", "album", "genre"):
        found = known[name].combine_chunks().take(where)
        columns[name] = pc.coalesce(found, columns[name]) if name in columns else found
    columns["late"] = pc.not_equal(rows["tier"], 0)
    columns["revision"] = pa.array(np.full(len(rows), label.revision, np.int32))
    table = pa.table([columns[name] for name in CURATED.names], CURATED.names).cast(CURATED)
    return write_parquet(table, _METADATA, asdict(label), _REPEATING, _COUNTING)
