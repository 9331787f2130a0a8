"""The site: one aiohttp application out of the view modules.

Works on Faust's own application, which exists before its server starts, and on a plain one in tests.
Every View at the top level of a module of this package is mounted; nothing else answers.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial

from aiohttp.web import Application

from web.charts import ENCODED, present_chart
from web.desk import DESK, Desk
from web.garbled import hush
from web.guard import GUARD, Guard
from web.headers import set_headers
from web.hub import HUB, Hub
from web.layers import LAYERS
from web.limits import LIMITS, Limits
from web.services import SERVICES, Services
from web.views import views


def mount(application: Application, services: Services) -> None:
    """Puts the whole site on an application that has not started."""
    hush()
    application[SERVICES] = services
    application[DESK] = desk = Desk.of(services.settings, services.database)
    application[GUARD] = Guard(desk)
    application[LIMITS] = Limits(services.settings)
    application[ENCODED] = {}
    application[HUB] = Hub(services.boards, partial(present_chart, services))
    application.middlewares.extend(LAYERS)
    application.on_response_prepare.append(set_headers)
    application.cleanup_ctx.append(opened)
    application.on_shutdown.append(ended)
    for view in views():
        for path in view.paths:
            application.router.add_route(view.method, path, view.handle)
            if view.method == "GET" and view.rate != "live":
                application.router.add_route("HEAD", path, view.handle)


async def opened(application: Application) -> AsyncIterator[None]:
    """Opens what the services need opened, and closes it when the server has stopped."""
    async with AsyncExitStack() as stack:
        for part in application[SERVICES].opens:
            await stack.enter_async_context(part)
        await stack.enter_async_context(application[HUB])
        stack.callback(application[DESK].passwords.close)
        yield


async def ended(application: Application) -> None:
    """Ends what would not end by itself, before the server waits for its handlers."""
    application[HUB].close()
