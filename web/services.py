"""Services: what the views are handed, and nothing else.

Everything exists before the server starts and connects later: a part that is away raises Unreachable when
it is asked, which is a 503, and a part this worker was not given is None.
"""

import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web
from aiohttp.web import Request

from charts.chart import Chart
from charts.settings import Settings
from charts.verdict import Rulebook
from charts.window import Window
from tables.postgres import Database
from web.problem import Problem


class Head(Protocol):
    """What a partition says of itself (charts/head.py)."""

    partition: int
    clock: int
    stream_time: int
    applied: int
    ledger: dict[str, int]
    forwarded: dict[int, int]
    at: int


class Boards(Protocol):
    """The boards of all partitions, as this worker has read them (tables/boards.py)."""

    heads: dict[int, Any]
    book: Rulebook

    @property
    def clock(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def ready(self) -> bool: ...
    @property
    def freshness_ms(self) -> int | None: ...
    def chart(self, region: str, window: Window) -> Chart | None: ...
    def charts(self) -> list[tuple[str, Window]]: ...
    def is_final(self, window: Window) -> bool: ...
    async def changed(self, version: int) -> int: ...


def now_ms() -> int:
    """The wall clock: how old a head is, when a token ends; never what a play counts for."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, kw_only=True)
class Services:
    """What this worker can do for its callers."""

    settings: Settings
    boards: Boards
    database: Database | None = None
    #: web.outbox.Outbox: plays into Kafka, acknowledged
    outbox: Any = None
    #: tables.history.History: charts of the past, and trends for those of the present
    history: Any = None
    #: tables.catalogue.Catalogue
    catalogue: Any = None
    #: Whatever else a part brings, by name.
    more: dict[str, Any] = field(default_factory=dict)
    #: What the site opens before it serves and closes after, in the reverse order.
    opens: tuple[AbstractAsyncContextManager[Any], ...] = ()

    def need(self, name: str) -> Any:
        """A part by its field's name; 503 where this worker does not have it."""
        part = getattr(self, name, None) or self.more.get(name)
        if part is None:
            raise Problem(503, f"this worker runs without {name}")
        return part


SERVICES = web.AppKey("services", Services)


def services_of(request: Request) -> Services:
    """The services of the site a request came to."""
    return request.app[SERVICES]
