"""The tally: a Faust table whose values are counts, whose events are runs, and whose word is the marker.

Faust assigns the partitions and recovers the store from the changelog; everything else about the table is
here: what is assigned is opened, runs come in (tables/arrivals.py), flushes go out (tables/flush.py).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import faust
from faust.types import TP

from charts.board import board_key
from charts.errors import ChartsError, LogMismatch
from charts.identity import identity_of
from charts.ranking import Place
from charts.run import ChangelogRun
from charts.settings import Settings
from charts.verdict import Rules, Verdict
from charts.window import HOUR_MS, SECOND_MS, Window
from tables import meters
from tables.arrivals import Arrivals
from tables.boards import Boards
from tables.changelog import runs_between
from tables.flush import Abandoned, Flusher
from tables.partition import Partition
from tables.publisher import Record
from tables.recovery import OFFSET_KEY, apply_run, claimed
from tables.rocks import RocksOptions, translated

log = logging.getLogger(__name__)

#: Partitions flushed at a time, if there is little in each.
_AT_ONCE = 4

T = TypeVar("T")


class Trace(NamedTuple):
    """One record of a play: where it lies and what became of it."""

    partition: int
    offset: int
    verdict: Verdict


class Tally(faust.Table):
    """Counts per track and day, from which every board follows."""

    def __init__(self, app: Any, *, settings: Settings, boards: Boards, **options: Any) -> None:
        super().__init__(
            app, name="tally", key_type=bytes, value_type=bytes, recovery_buffer_size=4, **options
        )
        self.settings = settings
        self.source = settings.topic("song-plays")
        self.boards = boards
        self.owned: dict[int, Partition] = {}
        self.arrivals = Arrivals(
            app,
            self.source,
            self.owned,
            boards,
            most_rows=settings.flush_rows * 5 // 4,
            give_up=self._stop_worker,
        )
        self._flush_lock = asyncio.Lock()
        self._leaving = False
        #: Counts assignments: what was begun in an earlier one is not for this one.
        self._turn = 0
        #: Stops the worker, from where nothing can be awaited.
        self._ending: asyncio.Future[None] | None = None
        #: When the last assignment came, until it is open.
        self._assigned_at: float | None = None
        self._flusher = Flusher(
            settings,
            boards,
            self.changelog_topic_name,
            producer=lambda: app.producer._producer,
            is_leaving=lambda: self._leaving or app.should_stop,
            is_stopping=lambda: app.should_stop,
            read_to=self.arrivals.read_to,
        )
        self.data.rocksdb_options = RocksOptions()

    # -- where reading and committing stand (agents/transport.py: Position)

    def committable(self) -> Mapping[TP, int]:
        return {
            TP(self.source, part.number): part.marker.applied + 1
            for part in self.owned.values()
            if part.marker.applied >= 0
        }

    def expected(self) -> Mapping[TP, int]:
        return {
            # Without a marker nothing was counted, whatever the group has committed.
            TP(self.source, part.number): part.expected or 0
            for part in self.owned.values()
        }

    async def settle(self) -> None:
        """Make durable what was taken in, and take in no more."""
        self._leaving = True
        self._turn += 1
        for part in self.owned.values():
            part.accepting = False
        await self.arrivals.finish()
        await self.flush()

    # -- recovery and assignment

    async def on_rebalance(self, assigned: set[TP], revoked: set[TP], *args: Any, **options: Any) -> None:
        """Let go of what left, or its folder stays locked."""
        self._turn += 1
        self._assigned_at = time.monotonic()
        # The changelog of what we only stand by for stays assigned.
        ours = {tp.partition for tp in self.app.assignor.assigned_actives() if tp.topic == self.source}
        for number in set(self.owned) - ours:
            del self.owned[number]
        await super().on_rebalance(assigned, revoked, *args, **options)

    def persisted_offset(self, tp: TP) -> int | None:
        """Where recovery goes on, as Faust asks; the first thing read of a folder, damaged or not."""
        with translated(self.data._db_for_partition(tp.partition)):
            return self.data.persisted_offset(tp)

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Recovered runs into the store; one that leaves out others waits for `_catch_up`."""
        for event in batch:
            if self._ending is not None:
                return
            run: ChangelogRun = event.message.value
            part = self.owned.get(run.partition)
            if part is not None and part.accepting:
                # Left over from a recovery that was cut short: what it held was read when this was opened.
                continue
            db = self.data._db_for_partition(run.partition)
            try:
                with translated(db):
                    if run.start <= claimed(db) + 1:
                        apply_run(db, run)
                        meters.RECOVERED_RECORDS.inc(len(run.keys))
            except Exception as error:  # noqa: BLE001 (Faust would log it, and recover for ever)
                self._ending = asyncio.ensure_future(self._stop_worker(error))

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Open what was assigned. Faust does not look at what goes wrong here, so we stop the worker."""
        try:
            await self._open({tp.partition for tp in active_tps})
        except Abandoned:
            log.info("partitions left before they were open")
        except Exception as error:  # noqa: BLE001 (it would be lost)
            await self._stop_worker(error)
        await super().on_recovery_completed(active_tps, standby_tps)

    async def _open(self, numbers: set[int]) -> None:
        self._leaving = False
        turn = self._turn
        for number in set(self.owned) - numbers:
            del self.owned[number]
        changelog = {number: TP(self.changelog_topic_name, number) for number in sorted(numbers)}
        plays = {number: TP(self.source, number) for number in changelog}
        # One question for both: its answer may wait behind that to a fetch.
        ends = await self._ends([*changelog.values(), *plays.values()])
        if self._turn != turn:
            raise Abandoned
        for number in changelog:
            with translated(self.data._db_for_partition(number)):
                part = await self._open_partition(number, ends[changelog[number]] or 0, turn)
            await self._check_log(part, ends[plays[number]])
            if self._turn != turn:
                raise Abandoned
            part.forget_pending()
            part.go_on_from(self.boards.heads.get(number))
            part.accepting = True
            self.owned[number] = part
        if self._assigned_at is not None:
            meters.RECOVERY_SECONDS.observe(time.monotonic() - self._assigned_at)
            self._assigned_at = None

    async def _open_partition(self, number: int, end: int, turn: int) -> Partition:
        """Keep the memory beside a store that only we wrote; else build it anew."""
        db = self.data._db_for_partition(number)
        await self._flusher.until_sent(lambda: self._catch_up(number, db, end, turn))
        part = self.owned.get(number)
        if part is None or part.db is not db or db.get(OFFSET_KEY) != part.stored_offset:
            started = time.monotonic()
            part = Partition(
                number,
                db,
                self.settings.top_n,
                duplicates=self.settings.duplicates,
                fences=self.settings.fences,
            )
            await self._flusher.in_thread(part.load)
            log.info(
                "partition %d loaded: offset %d, %d boards, %d remembered plays, %.1f s",
                number,
                part.marker.applied,
                len(part.lists.lists),
                len(part.remembered),
                time.monotonic() - started,
                extra={"partition": number, "last_offset": part.marker.applied},
            )
        return part

    async def _catch_up(self, number: int, db: Any, end: int, turn: int) -> None:
        """Read what Faust's recovery left out: it forgets runs when one rebalance follows another.

        Faust does not cancel us when the next comes. From then on somebody else may write this store.
        """
        if claimed(db) + 1 < end:
            first, topic = claimed(db) + 1, self.changelog_topic_name
            log.info(
                "partition %d: changelog %d to %d read again",
                *(number, first, end - 1),
                extra={"partition": number, "first_offset": first, "last_offset": end - 1},
            )
            async for run in runs_between(self.settings.kafka_url, topic, number, first, end):
                if self._turn != turn:
                    raise Abandoned
                apply_run(db, run)

    async def _ends(self, places: Collection[TP]) -> Mapping[TP, int | None]:
        """The offsets these partitions end before, as the broker says."""
        return await self._flusher.until_sent(lambda: self.app.consumer.highwaters(*places)) if places else {}

    async def _check_log(self, part: Partition, end: int | None) -> None:
        """A marker past the log's end was counted from another log."""
        place, applied = TP(self.source, part.number), part.marker.applied
        if end is not None and applied >= end:
            # Unless plays came since, and a paused worker counted them.
            end = (await self._ends([place]))[place]
        if end is not None and applied >= end:
            raise LogMismatch(
                f"{place.topic}/{place.partition} ends at {end}, but {applied} was counted: "
                f"this is another log; give it another CHARTS_LOG_ID"
            )

    # -- the flush

    @property
    def is_silent(self) -> bool:
        """Whether a partition was opened and has no boards out yet, nor a head."""
        return any(part.published is None for part in self.owned.values())

    async def flush(self) -> None:
        """Flush every partition; a broken invariant stops the worker."""
        await self._of_each(self._flush_whole)

    async def tell(self) -> None:
        """Publish every partition's head again."""
        await self._of_each(self._flusher.tell)

    async def _of_each(self, work: Callable[[Partition], Awaitable[None]]) -> None:
        async def one(part: Partition) -> None:
            async with at_once:
                if self.owned.get(part.number) is part:
                    await work(part)

        async with self._flush_lock:
            # Little waits for Kafka most of the time. Much waits for us, and two of them would weigh twice.
            at_once = asyncio.Semaphore(1 if self.arrivals.has_much else _AT_ONCE)
            under_way = map(one, list(self.owned.values()))
            for error in await asyncio.gather(*under_way, return_exceptions=True):
                if error is not None and not isinstance(error, Abandoned):
                    await self._stop_worker(error)

    async def _flush_whole(self, part: Partition) -> None:
        """A flush that did not end leaves memory ahead of the store: it must never flush again."""
        try:
            with translated(part.db), meters.FLUSH_SECONDS.time():
                await self._flusher.flush(part)
        except BaseException:
            part.accepting = False
            if self.owned.get(part.number) is part:
                del self.owned[part.number]
            raise

    async def withdraw(self, is_written: Callable[[str, Window], bool] | None) -> None:
        """Take final boards away once the history has them; where there is none, after a while."""
        for part in list(self.owned.values()):
            # By the marker already stored: no later load brings such a board back.
            over_ms = part.marker.settled * HOUR_MS
            done = [
                (region, window)
                for region, window in self.boards.held(part.number)
                if window.end <= over_ms and self._is_done(region, window, is_written)
            ]
            if done and part.accepting:
                async with self._flush_lock:
                    if self.owned.get(part.number) is not part or not part.accepting:
                        continue
                    part.lists.drop(Place.of(*chart) for chart in done)
                    await self._flusher.in_thread(part.forget_names)
                gone: list[Record] = [(board_key(*chart), None) for chart in done]
                with contextlib.suppress(Abandoned):
                    await self._flusher.withdraw(part.number, gone)

    def _is_done(self, region: str, window: Window, is_written: Callable[[str, Window], bool] | None) -> bool:
        if not self.boards.is_final(window):
            return False
        if is_written is not None:
            return is_written(region, window)
        return self.boards.clock > window.end + self.settings.boards_kept * SECOND_MS

    async def announce(self, day: int, rules: Rules) -> None:
        """Have rules hold from a day on; raises Abandoned where we are leaving."""
        await self._flusher.announce(day, rules)

    # -- receipts

    async def find(self, track_id: str, play_id: str) -> list[Trace]:
        """What became of every record of this identity, as far as our partitions remember."""
        wanted = identity_of(track_id, play_id)
        return [
            Trace(part.number, offset, verdict)
            for part in list(self.owned.values())
            for offset, verdict in await self._flusher.in_thread(part.find, wanted)
        ]

    # -- around it

    async def _stop_worker(self, error: BaseException) -> None:
        """Stop rather than count wrongly."""
        self._leaving = True
        for part in self.owned.values():
            part.accepting = False
        if not isinstance(error, ChartsError):
            log.critical("the count cannot go on: %r", error, exc_info=error)
        await self.app.crash(error)
