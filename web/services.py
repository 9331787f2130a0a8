"""Services: what the views are handed, and nothing else.

Everything exists before the server starts and connects later: a part that is away raises Unreachable when
it is asked, which is a 503, and a part this worker was not given is None.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.web import Request

from charts.chart import Chart
from charts.settings import Settings
from tables.archive import Archive
from tables.boards import Boards
from tables.postgres import Database
from web.outbox import Outbox
from web.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Services:
    """What this worker can do for its callers."""

    settings: Settings
    boards: Boards
    database: Database | None = None
    #: Plays into Kafka, acknowledged.
    outbox: Outbox | None = None
    #: Charts of the past.
    archive: Archive | None = None
    #: A live chart with its names and trends; hands back the same rows for as long as they say the same.
    dress: Callable[[Chart], Chart] = lambda chart: chart
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
