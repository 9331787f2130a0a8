"""The hub: the charts people are watching, each made into bytes once for all who watch it.

A subject is one region, kind of window and limit. Whoever watches remembers only which state of it they
saw last; when there is news they are told what changed since, if the hub still knows that state, and get
the whole chart otherwise. So nobody has a queue: a slow client skips to the newest state.

A state is named by its content (the window and a hash of totals and rows), so the same name means the same
chart on every worker: that is what Last-Event-ID resumes from.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Self

import orjson
from aiohttp import web

from charts.changes import changes, head_of
from charts.chart import Chart, Entry
from charts.errors import NotFound
from charts.window import Kind
from tables.boards import Boards

log = logging.getLogger(__name__)

#: A flush reaches the boards partition by partition: after the first, the others are waited for this long …
SETTLE_S = 0.05
#: … and after that nothing is told for this long.
PACE_S = 0.15
#: Without news charts are looked at this often, to say that they are stale.
GLANCE_S = 2.0
#: States of a subject remembered, as many as a client may miss and still be told only what changed.
STATES_KEPT = 8
#: A stream that ends has this long for all it still writes; a client that does not take it is hung up on.
END_TIMEOUT_S = 2.0

Key = tuple[str, Kind, int]
Present = Callable[[str, Kind], Chart]


@dataclass(frozen=True, slots=True)
class Message:
    """One event: its name and data, and the state the client has after it."""

    name: str
    data: bytes
    state: str


class Subject:
    """One chart being watched."""

    def __init__(self, chart: Chart) -> None:
        #: What wakes each of those who watch.
        self.watchers: set[asyncio.Event] = set()
        #: Grows with every news, of the head alone too.
        self.tick = 0
        #: The last look at the chart ended in an error nobody foresaw.
        self.failing = False
        self._states: OrderedDict[str, Chart] = OrderedDict()
        self._messages: dict[str | None, Message] = {}
        self._rows: tuple[tuple[Entry, ...], bytes] = ((), b"")
        self._entries: tuple[Entry, ...] | None = None
        self.state = ""
        self.chart = chart
        self.update(chart)

    def update(self, chart: Chart) -> None:
        """The chart as it is now; wakes everybody if there is anything to say."""
        if self.state and self._same(chart):
            return
        self.state = self._name(chart)
        self.chart, self._entries = chart, chart.entries
        self._states[self.state] = chart
        self._states.move_to_end(self.state)
        while len(self._states) > STATES_KEPT:
            self._states.popitem(last=False)
        self._messages.clear()
        self.tick += 1
        for woken in self.watchers:
            woken.set()

    def message(self, seen: str | None) -> Message:
        """What to tell somebody who saw this state last; made once for all of them."""
        key = seen if seen in self._states else None
        if key not in self._messages:
            self._messages[key] = self._made(key)
        return self._messages[key]

    def _made(self, seen: str | None) -> Message:
        before = self._states[seen] if seen is not None else None
        if seen == self.state:
            return Message("head", orjson.dumps(head_of(self.chart)), self.state)
        if before is None or before.window != self.chart.window:
            head = head_of(self.chart) | {"entries": orjson.Fragment(self._rows[1])}
            return Message("chart", orjson.dumps(head), self.state)
        return Message("changes", orjson.dumps(changes(before, self.chart)), self.state)

    def _same(self, chart: Chart) -> bool:
        """Freshness alone is no news: every chart says it anew."""
        return chart.entries is self._entries and _but_fresh(chart) == _but_fresh(self.chart)

    def _name(self, chart: Chart) -> str:
        if self._rows[0] is not chart.entries or not self._rows[1]:
            self._rows = chart.entries, orjson.dumps([entry.as_json() for entry in chart.entries])
        totals = (chart.plays, chart.tracks, chart.status, chart.rules, chart.revision)
        digest = blake2b(self._rows[1] + repr(totals).encode(), digest_size=9).hexdigest()
        return f"{chart.window.start // 1000:x}-{digest}"


def _but_fresh(chart: Chart) -> dict[str, Any]:
    head = head_of(chart)
    del head["freshness_ms"]
    return head


class Hub:
    """Every subject somebody watches, kept up to date by one task."""

    def __init__(self, boards: Boards, present: Present) -> None:
        self._boards = boards
        self._present = present
        self._subjects: dict[Key, Subject] = {}
        self._cuts: dict[Key, tuple[tuple[Entry, ...], tuple[Entry, ...]]] = {}
        self._task: asyncio.Task[None] | None = None
        #: Streams open now; each runs without a bound until it ends.
        self.streams: set[asyncio.Timeout] = set()
        #: Set when the worker stops: every stream ends.
        self.closing = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def close(self) -> None:
        """Ends every stream, also one that waits for a client to take what was written."""
        self.closing = True
        for stream in self.streams:
            end_soon(stream)
        for subject in self._subjects.values():
            for woken in subject.watchers:
                woken.set()

    def watch(self, key: Key, woken: asyncio.Event) -> Subject:
        """The subject, from now on kept up to date; raises NotFound for a region nobody knows."""
        subject = self._subjects.get(key)
        if subject is None:
            subject = self._subjects[key] = Subject(self._look(key))
        subject.watchers.add(woken)
        return subject

    def leave(self, key: Key, woken: asyncio.Event) -> None:
        subject = self._subjects[key]
        subject.watchers.discard(woken)
        if not subject.watchers:
            del self._subjects[key]
            self._cuts.pop(key, None)

    def _look(self, key: Key) -> Chart:
        """The chart with its first rows: the same rows for as long as the chart has the same."""
        region, kind, limit = key
        chart = self._present(region, kind)
        if len(chart.entries) <= limit:
            return chart
        whole, cut = self._cuts.get(key, ((), ()))
        if whole is not chart.entries:
            cut = chart.entries[:limit]
            self._cuts[key] = chart.entries, cut
        return replace(chart, entries=cut)

    async def _run(self) -> None:
        version = self._boards.version
        while True:
            try:
                async with asyncio.timeout(GLANCE_S):
                    await self._boards.changed(version)
                await asyncio.sleep(SETTLE_S)
            except TimeoutError:
                pass
            version = self._boards.version
            for key, subject in list(self._subjects.items()):
                self._refresh(key, subject)
            await asyncio.sleep(PACE_S)

    def _refresh(self, key: Key, subject: Subject) -> None:
        """The subject as its chart is now; one that cannot be had stays as it was, and stops no other."""
        try:
            subject.update(self._look(key))
            subject.failing = False
        except NotFound:
            pass  # its boards are gone
        except Exception:
            # Flushes come several a second: the first of a row of errors is logged.
            if not subject.failing:
                log.exception("the live chart of %s by the %s is not brought up to date", *key[:2])
            subject.failing = True

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nobody is left waiting for news that cannot come."""
        if not task.cancelled() and task.exception() is not None:
            log.error("live charts stopped", exc_info=task.exception())
            self.close()


def end_soon(stream: asyncio.Timeout) -> None:
    """Bounds what the stream still does, once."""
    if stream.when() is None:
        stream.reschedule(asyncio.get_running_loop().time() + END_TIMEOUT_S)


HUB = web.AppKey("hub", Hub)
