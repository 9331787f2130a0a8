"""The lake's raw zone, written: one lane per partition, from runs to files.

    run ──▶ cutter ──▶ full chunks, in order ──▶ If-None-Match put ──▶ may be committed
                  └──▶ growing chunk, now and then ──▶ tail

Files of a partition are written one after the other, and the store is asked where to go on: a partition
starts after its last full file, whatever the consumer group believes. So the files of a partition follow on
each other without a gap, however often workers die, and a zombie can only write what is there already, or a
tail that is shorter than the one that counts.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from charts.chunk import CHUNK_OFFSETS, Chunk, Cutter
from charts.errors import BrokenInvariant
from charts.run import Run
from charts.verdict import Rulebook
from tables.raw import Name, encode, raw_key, tail_key
from tables.store import Store
from tables.zone import Zone

#: Full chunks that may wait for the store before reading pauses. With one growing chunk per partition they
#: bound the memory.
CHUNKS_WAITING = 8


@dataclass(slots=True, eq=False)
class Lane:
    """One partition on its way into the lake."""

    cutter: Cutter
    #: The first offset that is not in a full file: all that may be committed.
    committed: int
    #: Chunks to write, and whether they are full.
    work: "asyncio.Queue[tuple[Chunk, bool]]" = field(default_factory=asyncio.Queue)
    task: "asyncio.Task[None] | None" = None
    #: A full chunk waits for room: no tail goes before it, whatever else is written.
    held: bool = False
    #: Files of the growing chunk, to be removed when a longer one is there.
    tails: set[str] = field(default_factory=set)
    #: How far the last tail goes.
    tailed: int = -1


@dataclass(slots=True)
class Written:
    """What went into full files."""

    files: int = 0
    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class LakeState:
    """How a lake worker is."""

    ready: bool = False
    #: For how long the object store has not answered, in seconds, and what it said.
    away_s: float = 0.0
    why: str = ""
    curating: bool = False
    written: Written = field(default_factory=Written)
    #: Records read that are in no full file yet.
    growing: int = 0
    #: Records in the log that were not read yet, as far as the heads know.
    behind: int = 0
    #: Hours that are final and wait to be curated.
    waiting: int = 0


class Lake:
    """The raw zone of the partitions this worker reads. The store is one that waits for itself."""

    def __init__(self, store: Store, log_id: str, book: Callable[[], Rulebook]) -> None:
        self._store = store
        self._zone = Zone(store, log_id)
        self._log = log_id
        self._book = book
        self._lanes: dict[int, Lane] = {}
        self._openings: set[asyncio.Task[Lane]] = set()
        self._room = asyncio.Semaphore(CHUNKS_WAITING)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="lake")
        self.written = Written()
        #: What a lane died of: our own bug, for the worker to stop on.
        self.failure: BaseException | None = None

    # -- taking in

    async def take(self, run: Run) -> int | None:
        """Take in a run. Returns the offset to read on from, where this run does not follow on the last."""
        lane = self._lanes.get(run.partition) or await self._opened(run.partition)
        if self.failure is not None:
            raise self.failure
        if lane is None:
            return None
        wanted = lane.cutter.next
        if run.start > wanted or run.next < wanted - CHUNK_OFFSETS:
            return wanted
        for chunk in lane.cutter.feed(run):
            lane.held = True
            await self._room.acquire()
            lane.held = False
            if self._lanes.get(run.partition) is not lane:
                # The partition left while we waited: whoever has it now reads this again.
                self._room.release()
                return None
            lane.work.put_nowait((chunk, True))
        return None

    def skip(self, partition: int, offset: int) -> None:
        """The log begins only here by now: what was before is gone for everybody."""
        self._lanes[partition].cutter.skip(offset)

    def write_tails(self) -> None:
        """Write what grew since the last time, where nothing else is waiting to be written."""
        for lane in self._lanes.values():
            chunk = lane.cutter.growing
            if lane.work.empty() and not lane.held and chunk is not None and chunk.next > lane.tailed:
                lane.work.put_nowait((chunk, False))

    async def drain(self) -> None:
        """Wait until everything handed over is written."""
        waits = [asyncio.create_task(lane.work.join()) for lane in self._lanes.values()]
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        try:
            while waits and self.failure is None:
                _, pending = await asyncio.wait([*waits, *tasks], return_when=asyncio.FIRST_COMPLETED)
                waits = [wait for wait in waits if wait in pending]
        finally:
            for wait in waits:
                wait.cancel()
        if self.failure is not None:
            raise self.failure

    def committable(self) -> dict[int, int]:
        """The first offset of each partition's growing chunk, as far as all before it is written."""
        return {partition: lane.committed for partition, lane in self._lanes.items()}

    def wanted(self) -> dict[int, int]:
        """The offset each partition wants next."""
        return {partition: lane.cutter.next for partition, lane in self._lanes.items()}

    @property
    def growing_rows(self) -> int:
        """Records taken in that are in no full file yet."""
        growing = (lane.cutter.growing for lane in self._lanes.values())
        return sum(len(chunk) for chunk in growing if chunk is not None)

    async def leave(self) -> None:
        """Forget all partitions. Nothing is lost: what is not in a full file will be read again."""
        lanes, self._lanes = list(self._lanes.values()), {}
        tasks = [*self._openings, *(lane.task for lane in lanes if lane.task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for lane in lanes:
            while not lane.work.empty():
                _, full = lane.work.get_nowait()
                if full:
                    self._room.release()
                lane.work.task_done()

    async def close(self) -> None:
        await self.leave()
        self._threads.shutdown()

    # -- writing

    async def _opened(self, partition: int) -> Lane | None:
        """A new lane, or None where the partition left before the store had answered."""
        opening = asyncio.create_task(self._open(partition))
        self._openings.add(opening)
        try:
            await asyncio.wait([opening])
            return None if opening.cancelled() else opening.result()
        finally:
            opening.cancel()
            self._openings.discard(opening)

    async def _open(self, partition: int) -> Lane:
        """A partition goes on after its last full file."""
        last = await self._zone.last(partition)
        tails = await self._zone.tails(partition)
        cutter = Cutter(partition, last.next, last.after) if last else Cutter(partition)
        tailed = max((name.next or 0 for name in tails if name.first >= cutter.start), default=-1)
        lane = Lane(cutter, cutter.start, tails={name.key for name in tails}, tailed=tailed)
        self._lanes[partition] = lane
        lane.task = asyncio.create_task(self._write(lane), name=f"lake-{partition}")
        lane.task.add_done_callback(self._died)
        return lane

    def _died(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            self.failure = self.failure or task.exception()

    async def _write(self, lane: Lane) -> None:
        """The lane's files, one after the other."""
        while True:
            chunk, full = await lane.work.get()
            try:
                await (self._write_full if full else self._write_tail)(lane, chunk)
            finally:
                if full:
                    self._room.release()
                lane.work.task_done()

    async def _write_full(self, lane: Lane, chunk: Chunk) -> None:
        key, body = raw_key(self._log, chunk), await self._encoded(chunk)
        if not await self._store.put_new(key, body):
            await self._compare(key, chunk)
        lane.committed = chunk.next
        self.written.files += 1
        self.written.rows += len(chunk)
        self.written.bytes += body.nbytes
        await self._drop(lane, {name for name in lane.tails if _first(name) <= chunk.first})

    async def _write_tail(self, lane: Lane, chunk: Chunk) -> None:
        key, body = tail_key(self._log, chunk), await self._encoded(chunk)
        await self._store.put(key, body)
        lane.tailed = chunk.next
        await self._drop(lane, {name for name in lane.tails if name < key})
        lane.tails.add(key)

    async def _drop(self, lane: Lane, keys: set[str]) -> None:
        """Remove tails that no longer count; one that stays behind is ignored by every reader."""
        for key in keys:
            await self._store.delete(key)
            lane.tails.discard(key)

    async def _compare(self, key: str, chunk: Chunk) -> None:
        """Somebody wrote this file before: it must be the same, or two versions cut differently."""
        name = Name.of(key)
        assert name is not None
        there = await self._zone.footer(name)
        mine = (chunk.first, chunk.next, chunk.before, chunk.after, len(chunk))
        if (there.first, there.next, there.before, there.after, there.rows) != mine:
            raise BrokenInvariant(f"{key} holds {there}, but the log says {mine}")

    async def _encoded(self, chunk: Chunk) -> memoryview:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, encode, chunk, self._log, self._book())


def _first(key: str) -> int:
    name = Name.of(key)
    return name.first if name else -1
