"""The site: every route declares itself, every error is a problem, and closed is the default."""

from aiohttp import ClientSession, web

from charts.settings import Settings
from tests.web.conftest import serving
from tests.web.fed_boards import FedBoards
from web.services import Services
from web.site import mount
from web.view import View
from web.views import views


def test_every_route_has_a_declaration(boards: FedBoards, settings: Settings) -> None:
    application = web.Application()
    mount(application, Services(settings=settings, boards=boards))
    routes = list(application.router.routes())
    assert len(routes) > len(views())
    for route in routes:
        view = getattr(route.handler, "__self__", None)
        assert isinstance(view, View), route
        assert view.description, f"{view.name} needs a docstring: it is the documentation"
        assert set(view.path_names) <= set(view.asked.model_fields if view.asked else ()), view.path


async def test_an_undeclared_route_is_closed(boards: FedBoards, settings: Settings) -> None:
    async def careless(request: web.Request) -> web.Response:
        return web.Response(text="secret")

    application = web.Application()
    mount(application, Services(settings=settings, boards=boards))
    application.router.add_get("/careless", careless)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with ClientSession() as session, session.get(_address(runner) + "/careless") as response:
            assert (response.status, response.content_type) == (403, "application/problem+json")
    finally:
        await runner.cleanup()


async def test_an_unforeseen_error_says_nothing_outside(
    client: ClientSession, boards: FedBoards, caplog: object
) -> None:
    boards._finality = None  # type: ignore[assignment]
    async with client.get("/v1/ledger") as response:
        text = await response.text()
    assert response.status == 500
    assert "NoneType" not in text
    assert "Traceback" in caplog.text  # type: ignore[attr-defined]


async def test_a_wrong_method_names_the_right_ones(client: ClientSession) -> None:
    async with client.delete("/health") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")
        assert response.content_type == "application/problem+json"


async def test_without_public_read_reading_needs_a_token(boards: FedBoards) -> None:
    services = Services(settings=Settings(public_read=False), boards=boards)
    async with serving(services) as address, ClientSession(address) as session:
        async with session.get("/v1/charts/DE/hour") as response:
            assert (response.status, response.headers["WWW-Authenticate"][:6]) == (401, "Bearer")
        for path in ("/health", "/ready"):
            async with session.get(path) as response:
                assert response.status == 200


async def test_health_and_the_ledger(client: ClientSession) -> None:
    async with client.get("/health") as response:
        assert await response.json() == {"status": "healthy", "service": "livecharts"}
    async with client.get("/v1/ledger") as response:
        body = await response.json()
        assert (body["records"], body["verdicts"]) == (16, {"counted": 14, "late": 2})
    async with client.get("/v1/partitions") as response:
        assert [head["lag"] for head in (await response.json())["partitions"]] == [0, 0]


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"
