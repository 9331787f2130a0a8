"""The lake: plays into raw files, in a consumer group of its own.

The store decides where each partition goes on; the committed offset, always a chunk's first, only saves a
seek. When partitions leave nothing has to be finished: whoever gets them reads their growing chunks again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping

import faust
from faust.types import TP

from agents.curate import Curator
from charts.run import Run
from faust_app import boards, conf, lake, lake_plays
from tables import scratch
from tables.lake import Lake, LakeState
from tables.patience import PatientStore
from tables.postgres import Database
from tables.store import open_store

log = logging.getLogger(__name__)

_TOPIC = conf.topic("song-plays")
#: What a stopping worker allows itself for its last tails; what it cannot write is read again.
LAST_TAILS_S = 5.0
#: Plays are judged by rules that all know: how often a start without any looks again.
_LOOK_S = 0.1


@lake.service
class RawZone(faust.Service):
    """The raw zone of the partitions this worker reads, open while the worker is."""

    store: PatientStore
    raw: Lake | None = None
    curator: Curator | None = None

    async def on_start(self) -> None:
        scratch.begin(conf.worker_dir / "scratch")
        self.store = PatientStore(await self.add_async_context(open_store(conf)))
        self.raw = Lake(self.store, conf.log_id, lambda: boards.book)
        zone.state = self

    async def on_stop(self) -> None:
        if self.raw is not None:
            await self.raw.close()


class Zone:
    """Where reading and committing stand (agents/transport.py: Position)."""

    state: RawZone | None = None
    #: How often partitions have left.
    departures = 0

    @property
    def raw(self) -> Lake | None:
        return self.state.raw if self.state else None

    def committable(self) -> Mapping[TP, int]:
        return self._places(self.raw.committable()) if self.raw else {}

    def expected(self) -> Mapping[TP, int]:
        return self._places(self.raw.wanted()) if self.raw else {}

    async def judging(self) -> Lake | None:
        """The raw zone once there are rules to judge by, or None where partitions left meanwhile."""
        departures = self.departures
        while self.raw is None or not boards.has_rules:
            await asyncio.sleep(_LOOK_S)
            if self.departures != departures:
                return None
        return self.raw

    async def settle(self) -> None:
        """Partitions are leaving, or the worker, which then writes what it has."""
        self.departures += 1
        if self.raw is None:
            return
        if lake.should_stop:
            try:
                async with asyncio.timeout(LAST_TAILS_S):
                    await self.raw.drain()
                    self.raw.write_tails()
                    await self.raw.drain()
            except TimeoutError:
                log.warning("the object store is too slow for the last tails: they will be read again")
        await self.raw.leave()

    @staticmethod
    def _places(offsets: Mapping[int, int]) -> Mapping[TP, int]:
        return {TP(_TOPIC, partition): offset for partition, offset in offsets.items()}


zone = Zone()
lake.position = zone


def state() -> LakeState:
    """How this worker is, for those who ask over HTTP."""
    service = zone.state
    if service is None or service.raw is None:
        return LakeState()
    curating = service.curator is not None and service.curator.curating
    return LakeState(
        boards.has_rules,
        service.store.away_s,
        service.store.why,
        curating,
        service.raw.written,
        service.raw.growing_rows,
        sum(max(0, boards.heads[p].end - at) for p, at in service.raw.wanted().items() if p in boards.heads),
        service.curator.waiting if curating else 0,
    )


@lake.agent(lake_plays)
async def keep(runs: AsyncIterator[Run]) -> None:
    """Write every record to the lake's raw zone."""
    async for run in runs:
        raw = await zone.judging()
        if raw is None:
            continue
        try:
            wanted = await raw.take(run)
        except Exception as error:
            # Faust would start this agent again at every run, and the partition stand still.
            await lake.crash(error)
            raise
        if wanted is not None:
            await _read_from(run, wanted)


async def _read_from(run: Run, wanted: int) -> None:
    """Go where the store ends, or where the log begins by now."""
    place = TP(_TOPIC, run.partition)
    begins = (await lake.consumer.earliest_offsets(place))[place]
    assert zone.raw is not None
    if begins > wanted:
        log.warning(
            "partition %d: offsets %d to %d are gone from the log",
            *(run.partition, wanted, begins - 1),
            extra={"partition": run.partition, "first_offset": wanted, "last_offset": begins - 1},
        )
        zone.raw.skip(run.partition, begins)
        wanted = begins
    where = {"partition": run.partition, "first_offset": wanted}
    log.info("partition %d goes on at offset %d", *where.values(), extra=where)
    await lake.consumer.seek_wait({place: wanted})


@lake.task
async def read_rules() -> None:
    """Hold the boards: their rules judge the plays, their heads say what is final."""
    await lake.add_runtime_dependency(boards)


@lake.timer(interval=conf.lake_flush)
async def write_tails() -> None:
    """Write the growing chunks."""
    if zone.raw is not None:
        if zone.raw.failure is not None:
            await lake.crash(zone.raw.failure)
        zone.raw.write_tails()


@lake.task
async def curate() -> None:
    """Curate final hours, and count the weeks, on one worker at a time; not without Postgres."""
    while zone.state is None:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_S)
    if url := conf.postgres_url.get_secret_value():
        async with Database(url, connections=4) as database:
            store = zone.state.store
            zone.state.curator = Curator(store, database, boards, log_id=conf.log_id, top_n=conf.top_n)
            await zone.state.curator.run()
