"""Lookups: the trail of one play, asked of the lake while charts are live.

Each runs in a thread with a loop, a store and a connection of its own, so that nothing of it holds up the
live charts; one at a time, in bounded time, and few may wait.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

from charts.errors import Unreachable
from charts.selection import Basis, counted_in
from charts.settings import Settings
from charts.verdict import Rulebook
from charts.window import DAY_MS, HOUR_MS
from tables.jobs import Jobs
from tables.late import LateIndex
from tables.postgres import Database
from tables.store import open_store
from tables.trail import Step, Trails

#: A lookup that names no time goes so many hours back.
HOURS_BACK = 24
#: Time for the ends of some ten thousand files; a caller who waits longer has gone.
SEARCH_S = 15.0
#: Lookups that wait for the one under way; whoever comes then is sent away.
WAITING = 4


class Lookups:
    """Finds plays in the lake."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, "lookup")
        self._asked = 0

    async def find(
        self, track_id: str, play_id: str, *, at: int | None, now: int, book: Rulebook
    ) -> list[Step]:
        """A play's records: those of the hour of `at`, or else of the last day before `now`.

        Raises Unreachable, also where the search takes too long or too many wait.
        """
        if self._asked > WAITING:
            raise Unreachable("the lake is being searched for others: ask again")
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, lambda: asyncio.run(self._search(track_id, play_id, at, now, book))
            )
        except TimeoutError:
            raise Unreachable(
                f"the lake did not answer in {SEARCH_S:.0f} s; with `at`, about when it was, less is searched"
            ) from None
        finally:
            self._asked -= 1

    async def _search(
        self, track_id: str, play_id: str, at: int | None, now: int, book: Rulebook
    ) -> list[Step]:
        url = self._settings.postgres_url.get_secret_value()
        async with asyncio.timeout(SEARCH_S), AsyncExitStack() as opened:
            store = await opened.enter_async_context(open_store(self._settings))
            database = await opened.enter_async_context(Database(url, connections=2)) if url else None
            jobs, late = (Jobs(database), LateIndex(store, database)) if database else (None, None)

            async def basis_of(hour: int) -> Basis | None:
                return await jobs.basis(hour) if jobs else None

            async def played_at(time: int, *spans: range) -> list[Step]:
                """What came in these spans, and of plays of this time wherever they came."""
                hour, files = time // HOUR_MS, await late.files(time // DAY_MS) if late else []
                spans = (*spans, counted_in(hour, book.on(hour // 24)))
                return await trails.find(track_id, play_id, spans, files)

            trails = Trails(store, book, basis_of)
            if at is not None:
                return await played_at(at)
            last = now // HOUR_MS
            recent = range(last - HOURS_BACK, last + 2)
            found = await trails.find(track_id, play_id, [recent])
            # Its first record may be older than a day: only now it is known where to look.
            return await played_at(found[0].play.played_at, recent) if found else []
