"""The quality monitor: whoever leads looks, every quarter of an hour, whether everything adds up.

What is odd for a moment only (a chart on its way into the history, a revision half written) is no fault:
each is looked at again, and counts if it is still there.
"""

import asyncio
import logging
import time

from charts import quality
from charts.chart import GLOBAL
from charts.errors import Unreachable
from charts.quality import Check
from charts.window import DAY_MS, MINUTE_MS, Window
from tables import meters
from tables.boards import STALE_MS, Boards
from tables.memory import Memory
from tables.postgres import Database
from tables.quality import Stored, read_stored, write_look

log = logging.getLogger(__name__)

#: What is at fault is looked at again after so long.
AGAIN_S = 10.0
#: How many days back the history and the lake are compared, today aside.
DAYS = 2
#: An hour has this long, in event time, to be curated once it is final.
CURATED_MS = 10 * MINUTE_MS
#: A partition is between two flushes most of the time; one that never is, is at fault.
_CUT_S, _CUT_LOOK_S = 10.0, 0.02
#: Faults of one check that are told; the figure has all.
_TOLD = 100
_READY_S = 0.1


class Monitor:
    """Looks at everything this worker can see: heads, boards, the history and the lake's journal."""

    def __init__(self, database: Database, boards: Boards, memory: Memory, *, interval: float) -> None:
        self._database = database
        self._boards = boards
        self._memory = memory
        self._interval = interval

    async def run(self) -> None:
        """Look, as long as we lead."""
        try:
            while True:
                while not (self._boards.ready and self._memory.loaded.is_set()):  # noqa: ASYNC110
                    await asyncio.sleep(_READY_S)
                try:
                    await self._tell(await self.look())
                except Unreachable as error:
                    log.warning("quality was not looked at: %s", error)
                await asyncio.sleep(self._interval)
        finally:
            meters.QUALITY_FAULTS.clear()
            meters.QUALITY_LOOKED.clear()

    async def look(self) -> list[Check]:
        """One look; what is at fault is what is still so a moment later."""
        first = await self._look()
        if all(check.ok for check in first):
            return first
        await asyncio.sleep(min(AGAIN_S, self._interval))
        before = {check.name: set(map(_subject, check.faults)) for check in first}
        return [
            Check(check.name, tuple(fault for fault in check.faults if _subject(fault) in before[check.name]))
            for check in await self._look()
        ]

    async def _look(self) -> list[Check]:
        boards = self._boards
        on_boards = await self._board_faults()
        # Before what they are compared with is read: what becomes final meanwhile is not missed.
        clock, waiting = boards.clock, self._memory.unwritten()
        since = Window.at("day", max(0, clock - DAYS * DAY_MS)).start
        stored = await read_stored(self._database, since)
        hours = {w: n for (region, w), n in stored.plays.items() if region == GLOBAL and w.kind == "hour"}
        found = {
            "ledger": quality.ledger(boards.heads),
            "freshness": quality.freshness(
                boards.heads, boards.partitions, time.time_ns() // 1_000_000, STALE_MS
            ),
            "boards": on_boards,
            "history": _history_faults(stored),
            "snapshots": quality.snapshots(stored.plays.keys(), waiting, boards.is_final),
            "lake": quality.lake(hours, stored.curated, stored.first_curated, self._should_be_curated),
        }
        return [Check(name, tuple(found[name])) for name in quality.CHECKS]

    def _should_be_curated(self, hour: Window) -> bool:
        return self._boards.is_final(Window("hour", hour.start + CURATED_MS))

    async def _board_faults(self) -> list[str]:
        """Each partition's boards by themselves, at a moment between two of its flushes."""
        faults = []
        for number in range(self._boards.partitions):
            try:
                async with asyncio.timeout(_CUT_S):
                    while (totals := self._boards.totals(number)) is None:  # noqa: ASYNC110
                        await asyncio.sleep(_CUT_LOOK_S)
            except TimeoutError:
                faults.append(f"partition {number}: its boards are ahead of its head for {_CUT_S:.0f} s")
                continue
            # What is final is about to be withdrawn, and is compared in the history.
            said = {place: plays for place, plays in totals.items() if not self._boards.is_final(place[1])}
            faults += [f"partition {number}, {odd}" for odd in quality.sums(said, self._is_whole)]
        return faults

    def _is_whole(self, day: Window) -> bool:
        """Whether none of a day's hours may have been withdrawn."""
        return not self._boards.is_final(Window("hour", day.start))

    async def _tell(self, checks: list[Check]) -> None:
        """Into the figures, the log, and Postgres, where every worker finds it."""
        now = time.time()
        for check in checks:
            meters.QUALITY_FAULTS.labels(check.name).set(len(check.faults))
            meters.QUALITY_LOOKED.labels(check.name).set(now)
            for fault in check.faults[:_TOLD]:
                log.error("quality: %s: %s", check.name, fault)
        told = [Check(check.name, check.faults[:_TOLD]) for check in checks]
        await write_look(self._database, self._boards.as_of, told)


def _history_faults(stored: Stored) -> list[str]:
    """A day that more than one log counted (the embedded broker forgets) has no hours to add up."""
    return [str(odd) for odd in quality.sums(stored.plays, lambda day: len(stored.logs.get(day, ())) < 2)]


def _subject(fault: str) -> str:
    """What a fault is of; the figures behind it may move."""
    return fault.partition(": ")[0]
