"""Live charts: a stream always ends up where a fresh GET is, however often it is cut."""

import asyncio
import os
import random
import socket
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, WSMsgType
from aiohttp.web import RequestHandler
from yarl import URL

from charts.changes import apply
from charts.chart import Chart
from charts.settings import Settings
from charts.window import Window
from tests.web.conftest import Desk, serving
from tests.web.fed_boards import HALF_PAST_MS, HOUR, FedBoards
from web import hub as hub_module
from web import live as live_module
from web.charts import present_chart
from web.services import Services
from web.tokens import Keyring

Event = tuple[str, str, dict[str, Any]]
SEED = int(os.environ.get("LIVE_SEED", time.time_ns() % 1_000_000))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "SETTLE_S", 0.0)
    monkeypatch.setattr(hub_module, "PACE_S", 0.001)


async def events(response: Any) -> AsyncIterator[Event]:
    """What an SSE stream says, heartbeats left out."""
    fields: dict[str, str] = {}
    async for line in response.content:
        text = line.decode().rstrip("\n")
        if not text and "event" in fields:
            yield fields["event"], fields["id"], orjson.loads(fields["data"])
            fields = {}
        elif ": " in text and not text.startswith(":"):
            name, value = text.split(": ", 1)
            fields[name] = value


def grown(chart: dict[str, Any] | None, event: Event) -> dict[str, Any] | None:
    """The chart after an event, as the page does it."""
    name, _, data = event
    if name == "chart":
        return data
    assert chart is not None
    return apply(chart, data) if name == "changes" else {**chart, **data}


def settled(chart: dict[str, Any] | None) -> dict[str, Any]:
    assert chart is not None
    return {name: value for name, value in chart.items() if name not in {"freshness_ms", "stale"}}


async def test_first_the_chart_then_what_changed(client: ClientSession, boards: FedBoards) -> None:
    async with client.get("/v1/live?region=DE") as response:
        assert response.content_type == "text/event-stream"
        stream = events(response)
        name, first_id, chart = await anext(stream)
        assert (name, [row["track_id"] for row in chart["entries"]]) == ("chart", ["a", "b", "c"])
        boards.put("DE", HOUR, {"b": 9, "a": 3, "d": 2})
        name, second_id, told = await anext(stream)
        assert name == "changes"
        assert ([row["track_id"] for row in told["up"]], told["left"]) == (["b"], ["c"])
        assert first_id != second_id
        boards.beat(HALF_PAST_MS + 1000)
        boards.wake()
        name, third_id, head = await anext(stream)
        assert (name, third_id, head["as_of"]) == ("head", second_id, "2026-11-21T14:30:01Z")


async def test_a_known_state_resumes_and_another_starts_over(
    client: ClientSession, boards: FedBoards
) -> None:
    async with client.get("/v1/live?region=DE") as watcher:
        _, seen, _ = await anext(events(watcher))
        boards.put("DE", HOUR, {"b": 4, "a": 3})
        for last_id, expected in ((seen, "changes"), ("DE.hour.6920-nonsense", "chart"), ("", "chart")):
            async with client.get("/v1/live?region=DE", headers={"Last-Event-ID": last_id}) as response:
                name, now, _ = await anext(events(response))
                if name == "head":
                    name, now, _ = await anext(events(response))
                assert name == expected
        async with client.get(f"/v1/live?region=DE&last_event_id={now}") as response:
            assert (await anext(events(response)))[:2] == ("head", now)


async def test_another_worker_understands_the_id(settings: Settings, boards: FedBoards) -> None:
    other = FedBoards(settings)
    other.put("DE", HOUR, {"b": 3, "a": 3, "c": 1})
    seen = ""
    for worker, expected in ((boards, "chart"), (other, "head")):
        async with (
            serving(Services(settings=settings, boards=worker)) as address,
            ClientSession(address) as session,
            session.get("/v1/live?region=DE", headers={"Last-Event-ID": seen}) as response,
        ):
            name, now, _ = await anext(events(response))
            assert (name, seen or now) == (expected, now)
            seen = now


async def test_cut_fifty_times_it_ends_where_a_fresh_get_is(client: ClientSession, boards: FedBoards) -> None:
    print(f"LIVE_SEED={SEED}")  # noqa: T201 - to run it again
    rng = random.Random(SEED)
    counts = {f"t{n}": n + 1 for n in range(40)}

    async def play() -> None:
        while True:
            for track in rng.sample(sorted(counts), 5):
                counts[track] += rng.randrange(8)
            boards.put("DE", HOUR, dict(counts))
            await asyncio.sleep(rng.random() / 200)

    playing = asyncio.create_task(play())
    chart: dict[str, Any] | None = None
    last_id, resumed = "", 0
    for _ in range(50):
        left = rng.randrange(1, 8)
        async with client.get("/v1/live?region=DE&limit=30", headers={"Last-Event-ID": last_id}) as response:
            async for event in events(response):
                resumed += event[0] != "chart" and bool(last_id) and left > 0
                chart, last_id = grown(chart, event), event[1]
                left -= 1
                if left <= 0:
                    break
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    async with client.get("/v1/charts/DE/hour?limit=30") as response:
        fresh = await response.json()
    async with (
        asyncio.timeout(20),
        client.get("/v1/live?region=DE&limit=30", headers={"Last-Event-ID": last_id}) as response,
    ):
        async for event in events(response):
            chart = grown(chart, event)
            if settled(chart) == settled(fresh):
                break
    assert settled(chart) == settled(fresh)
    assert resumed


async def test_an_id_names_only_what_was_told(client: ClientSession, boards: FedBoards) -> None:
    """Cut after the first of two messages, twice: what was still to come is told in full, then as changes."""
    both = "/v1/live?region=DE&region=global"
    lie = {"Last-Event-ID": "global.hour.a-lie~DE.hour.another"}
    async with client.get(both, headers=lie) as response:
        first = await anext(events(response))
    assert (first[0], first[2]["region"], first[1].count("~")) == ("chart", "DE", 0)
    charts = {"DE": first[2]}
    async with client.get(both, headers={"Last-Event-ID": first[1]}) as response:
        stream = events(response)
        again, other = await anext(stream), await anext(stream)
        assert (again[0], other[0], other[2]["region"]) == ("head", "chart", "global")
        charts["global"] = other[2]
        boards.put("DE", HOUR, {"b": 9, "a": 3})
        boards.put("global", HOUR, {"b": 9, "a": 3})
        changed = await anext(stream)
        assert (changed[0], _region(changed)) == ("changes", "DE")
    async with client.get(both, headers={"Last-Event-ID": changed[1]}) as response:
        stream = events(response)
        for event in (changed, await anext(stream), await anext(stream)):
            charts[_region(event)] = grown(charts[_region(event)], event)
    for region, chart in charts.items():
        assert settled(chart) == await _fresh(client, region)


async def test_a_socket_s_id_names_only_what_was_told(client: ClientSession) -> None:
    both = "/v1/ws?region=DE&region=global"
    async with client.ws_connect(both) as socket:
        first = await socket.receive_json()
    async with client.ws_connect(f"{both}&last_event_id={first['id']}") as socket:
        again, other = await socket.receive_json(), await socket.receive_json()
    assert (again["event"], other["event"], other["region"]) == ("head", "chart", "global")


async def test_what_is_unsubscribed_meanwhile_is_not_told(boards: FedBoards, settings: Settings) -> None:
    services = Services(settings=settings, boards=boards)
    watching = live_module.Watching(hub_module.Hub(boards, partial(present_chart, services)), 100)
    for region in ("DE", "SE", "global"):
        watching.add((region, "hour"))
    told = []
    for name, _ in watching.news():
        told.append(name[0])
        watching.remove(("SE", "hour"))
    assert told == ["DE", "global"]


async def test_cut_between_any_two_charts_all_end_where_a_fresh_get_is(
    client: ClientSession, boards: FedBoards
) -> None:
    print(f"LIVE_SEED={SEED}")  # noqa: T201 - to run it again
    rng = random.Random(SEED)
    regions = ("DE", "SE", "US", "global")
    counts = {region: {f"t{n}": n + 1 for n in range(12)} for region in regions}

    def play() -> None:
        for region in rng.sample(regions, rng.randrange(1, 5)):
            for track in rng.sample(sorted(counts[region]), 3):
                counts[region][track] += rng.randrange(1, 8)
            boards.put(region, HOUR, counts[region])

    for region in regions:
        boards.put(region, HOUR, counts[region])
    asked = "/v1/live?limit=10&region=" + "&region=".join(regions)
    charts: dict[str, dict[str, Any] | None] = dict.fromkeys(regions)
    last_id = ""
    for _ in range(60):
        left = rng.randrange(1, 9)
        async with client.get(asked, headers={"Last-Event-ID": last_id}) as response:
            async for event in events(response):
                charts[_region(event)] = grown(charts[_region(event)], event)
                last_id, left = event[1], left - 1
                if left <= 0:
                    break
                if rng.random() < 0.5:
                    play()
                boards.beat(HALF_PAST_MS + rng.randrange(1000))
                boards.wake()
    fresh = {region: await _fresh(client, region, limit=10) for region in regions}
    async with asyncio.timeout(20), client.get(asked, headers={"Last-Event-ID": last_id}) as response:
        async for event in events(response):
            charts[_region(event)] = grown(charts[_region(event)], event)
            if all(chart and settled(chart) == fresh[region] for region, chart in charts.items()):
                break


async def test_several_charts_in_one_stream(client: ClientSession, boards: FedBoards) -> None:
    async with client.get("/v1/live?region=DE&region=global&window=hour&window=day") as response:
        stream = events(response)
        seen = [await anext(stream) for _ in range(4)]
        assert {(data["region"], data["window"]) for _, _, data in seen} == {
            ("DE", "hour"),
            ("DE", "day"),
            ("global", "hour"),
            ("global", "day"),
        }
        last_id = seen[-1][1]
    async with client.get(
        "/v1/live?region=DE&region=global&window=hour&window=day", headers={"Last-Event-ID": last_id}
    ) as response:
        stream = events(response)
        assert {(await anext(stream))[0] for _ in range(4)} <= {"head", "chart"}


async def test_a_new_hour_is_a_whole_chart(client: ClientSession, boards: FedBoards) -> None:
    async with client.get("/v1/live?region=DE") as response:
        stream = events(response)
        await anext(stream)
        boards.put("DE", HOUR.next, {"z": 1})
        boards.beat(HOUR.end + 1)
        boards.wake()
        async with asyncio.timeout(20):
            async for name, _, data in stream:
                if data.get("starts_at") == "2026-11-21T15:00:00Z":
                    assert (name, data["entries"][0]["track_id"]) == ("chart", "z")
                    break


async def test_a_quiet_stream_beats(client: ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "HEARTBEAT_S", 0.05)
    async with client.get("/v1/live?region=DE") as response:
        async with asyncio.timeout(20):
            async for line in response.content:
                if line.startswith(b":"):
                    break


async def test_a_slow_client_skips_to_the_newest_state(
    client: ClientSession, boards: FedBoards, settings: Settings
) -> None:
    """It reads nothing while a thousand flushes pass, then hears far fewer events, and the last is right."""
    wide = {f"track-{'x' * 60}-{n}": 10_000 + n for n in range(1000)}
    boards.put("DE", HOUR, wide)
    async with client.get("/v1/live?region=DE&limit=1000") as response:
        stream = events(response)
        chart = grown(None, await anext(stream))
        for step in range(300):
            boards.put("DE", HOUR, {track: count + (step * (count % 7)) for track, count in wide.items()})
            await asyncio.sleep(0.002)
        heard = 0
        async with client.get("/v1/charts/DE/hour?limit=1000") as fresh_response:
            fresh = await fresh_response.json()
        async with asyncio.timeout(60):
            while settled(chart) != settled(fresh):
                chart = grown(chart, await anext(stream))
                heard += 1
    assert heard < 300


async def test_a_stream_ends_with_its_token(desk: Desk) -> None:
    keyring = Keyring.of(desk.settings)
    assert keyring is not None
    token = keyring.issue({"sub": "x", "name": "x", "role": "viewer"}, 6)
    headers = {"Authorization": f"Bearer {token}"}
    async with desk.session.get("/v1/live?region=DE", headers=headers) as response:
        assert response.status == 200
        async with asyncio.timeout(60):
            heard = [event async for event in events(response)]
    assert heard[-1][0] == "end"
    assert heard[-1][2] == {"reason": "the token has expired"}


async def test_a_socket_is_closed_with_its_token(desk: Desk) -> None:
    keyring = Keyring.of(desk.settings)
    assert keyring is not None
    token = keyring.issue({"sub": "x", "name": "x", "role": "viewer"}, 6)
    protocols = ("livecharts", f"token.{token}")
    async with desk.session.ws_connect("/v1/ws?region=DE", protocols=protocols) as socket:
        assert (await socket.receive_json())["event"] == "chart"
        assert await _until_closed(socket) == live_module.EXPIRED


async def test_a_ticket_opens_a_stream_and_nothing_else(desk: Desk) -> None:
    async with desk.session.get("/v1/live") as response:
        assert response.status == 401
    async with desk.session.post("/v1/live/ticket", headers=desk.bearer("viewer")) as response:
        ticket = (await response.json())["ticket"]
    async with desk.session.get(f"/v1/live?ticket={ticket}") as response:
        assert (await anext(events(response)))[0] == "chart"
    async with desk.session.get(f"/v1/charts?ticket={ticket}") as response:
        assert response.status == 401
    async with desk.session.get("/v1/live?ticket=nonsense") as response:
        assert response.status == 401


async def test_a_stop_ends_every_stream(settings: Settings, boards: FedBoards) -> None:
    async with ClientSession() as session:
        async with serving(Services(settings=settings, boards=boards)) as address:
            response = await session.get(f"{address}/v1/live?region=DE")
            socket = await session.ws_connect(f"{address}/v1/ws?region=DE")
            stream = events(response)
            await anext(stream)
            await socket.receive_json()
            closed = asyncio.create_task(_until_closed(socket))
        assert [event[0] async for event in stream][-1] == "end"
        assert await closed == 1001


@pytest.mark.parametrize("path", ["live", "ws"])
@pytest.mark.parametrize(("rows", "in_a_write"), [(1000, True), (50, False)])
async def test_a_stalled_client_does_not_hold_up_a_stop(
    settings: Settings,
    boards: FedBoards,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    rows: int,
    in_a_write: bool,
) -> None:
    """It reads nothing: the stop finds the stream in a write, or waiting for news with a full line."""
    monkeypatch.setattr(hub_module, "END_TIMEOUT_S", 0.2)
    lines = _narrow_lines(monkeypatch)
    boards.put("DE", HOUR, {f"{'x' * 300}-{n}": n + 1 for n in range(rows)})
    with socket.socket() as client:
        async with serving(Services(settings=settings, boards=boards)) as address:
            await _ask_and_stall(client, address, f"/v1/{path}?region=DE&limit=1000")
            async with asyncio.timeout(20):
                await _until_full(lines)
            assert (lines[0]._drain_waiter is not None) is in_a_write
            stopped_at = time.monotonic()
        assert time.monotonic() - stopped_at < 5


@pytest.mark.parametrize("path", ["live", "ws"])
async def test_a_stalled_client_is_hung_up_on(
    settings: Settings, boards: FedBoards, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """What it has not taken goes with it: nobody keeps that for it."""
    monkeypatch.setattr(live_module, "WRITE_TIMEOUT_S", 0.5)
    lines = _narrow_lines(monkeypatch)
    boards.put("DE", HOUR, {f"{'x' * 300}-{n}": n + 1 for n in range(1000)})
    with socket.socket() as client:
        async with serving(Services(settings=settings, boards=boards)) as address:
            await _ask_and_stall(client, address, f"/v1/{path}?region=DE&limit=1000")
            async with asyncio.timeout(20):
                await _until_full(lines)
                transport = lines[0].transport
                assert transport is not None
                while transport.get_write_buffer_size():
                    await asyncio.sleep(0.01)


async def test_an_error_in_one_chart_ends_no_other(
    client: ClientSession,
    boards: FedBoards,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """DE cannot be made for a while: that is logged, the stream goes on with global, and DE comes back."""
    merged = boards.chart

    def broken(region: str, window: Window) -> Chart | None:
        if region == "DE":
            raise ArithmeticError("unforeseen")
        return merged(region, window)

    async with client.get("/v1/live?region=DE&region=global") as response:
        stream = events(response)
        assert {_region(await anext(stream)) for _ in range(2)} == {"DE", "global"}
        monkeypatch.setattr(boards, "chart", broken)
        boards.put("DE", HOUR, {"b": 9, "a": 3})
        boards.put("global", HOUR, {"b": 9, "a": 3})
        assert _region(await anext(stream)) == "global"
        assert ("DE by the hour" in caplog.text, "unforeseen" in caplog.text) == (True, True)
        monkeypatch.setattr(boards, "chart", merged)
        boards.wake()
        assert _region(await anext(stream)) == "DE"
    async with client.get("/v1/live?region=global") as response:
        assert response.status == 200


async def test_a_worker_has_so_many_streams(settings: Settings, boards: FedBoards) -> None:
    few = settings.model_copy(update={"live_clients": 1})
    async with serving(Services(settings=few, boards=boards)) as address, ClientSession(address) as session:
        async with session.get("/v1/live?region=DE") as first:
            await anext(events(first))
            async with session.get("/v1/live?region=DE") as second:
                assert (second.status, "Retry-After" in second.headers) == (503, True)
        async with asyncio.timeout(30):
            while True:
                boards.put("DE", HOUR, {"a": boards.applied})
                async with session.get("/v1/live?region=DE") as third:
                    if third.status == 200:
                        break


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("region=XX", 404),
        ("region=de", 400),
        ("window=week", 400),
        ("limit=0", 400),
        ("&".join(["region=DE"] * 9), 400),
    ],
)
async def test_what_cannot_be_watched(client: ClientSession, query: str, status: int) -> None:
    async with client.get(f"/v1/live?{query}") as response:
        assert (response.status, response.content_type) == (status, "application/problem+json")


async def test_a_web_socket_says_the_same(client: ClientSession, boards: FedBoards) -> None:
    async with client.ws_connect("/v1/ws?region=DE") as socket:
        first = await socket.receive_json()
        assert (first["event"], first["region"], first["window"]) == ("chart", "DE", "hour")
        await socket.send_json({"action": "subscribe", "region": "global", "window": "day"})
        second = await socket.receive_json()
        while second["event"] == "head":
            second = await socket.receive_json()
        assert (second["event"], second["region"], second["window"]) == ("chart", "global", "day")
        await socket.send_json({"action": "unsubscribe", "region": "global", "window": "day"})
        await socket.send_json({"action": "subscribe", "region": "nowhere", "window": "day"})
        assert (await _next_event(socket, "error"))["data"]["errors"][0]["at"] == ["region"]
        await socket.send_json({"action": "subscribe", "region": "XX", "window": "day"})
        assert "XX" in (await _next_event(socket, "error"))["data"]["detail"]
        boards.put("DE", HOUR, {"b": 9, "a": 3})
        told = await _next_event(socket, "changes")
        async with client.get("/v1/charts/DE/hour") as response:
            fresh = await response.json()
        assert settled(apply(first["data"], told["data"])) == settled(fresh)


async def test_a_ninth_chart_is_refused(client: ClientSession, boards: FedBoards) -> None:
    regions = ("DE", "SE", "FR", "US", "IT")
    for region in regions:
        boards.put(region, HOUR, {"a": 1})
    async with client.ws_connect("/v1/ws?region=DE") as socket:
        for region in regions:
            for window in ("hour", "day"):
                await socket.send_json({"action": "subscribe", "region": region, "window": window})
        refused = await _next_event(socket, "error")
        assert refused["data"] == {"detail": "at most 8 charts a stream"}


async def test_a_browser_s_socket_brings_its_token_as_a_protocol(desk: Desk) -> None:
    protocols = ("livecharts", f"token.{desk.tokens['viewer']}")
    async with desk.session.ws_connect("/v1/ws?region=DE", protocols=protocols) as socket:
        assert socket.protocol == "livecharts"
        assert (await socket.receive_json())["event"] == "chart"
    async with desk.session.get("/v1/ws?region=DE", headers=desk.bearer("viewer")) as response:
        assert response.status == 426


def _narrow_lines(monkeypatch: pytest.MonkeyPatch) -> list[RequestHandler]:
    """The server's lines from now on; they hold so little that it feels at once who does not read."""
    lines: list[RequestHandler] = []
    made = RequestHandler.connection_made

    def connection_made(line: RequestHandler, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        made(line, transport)
        lines.append(line)

    monkeypatch.setattr(RequestHandler, "connection_made", connection_made)
    return lines


async def _until_full(lines: list[RequestHandler]) -> None:
    while not (lines and lines[0].writing_paused):
        await asyncio.sleep(0.01)


async def _ask_and_stall(client: socket.socket, address: str, target: str) -> None:
    """Asks, as for a WebSocket where it is one, and reads nothing."""
    loop = asyncio.get_running_loop()
    url = URL(address)
    client.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    await loop.sock_connect(client, (url.host, url.port))
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += f"Sec-WebSocket-Key: {b64encode(bytes(16)).decode()}\r\n"
    headers = f"Host: {url.host}\r\n{upgrade if '/ws' in target else ''}\r\n"
    await loop.sock_sendall(client, f"GET {target} HTTP/1.1\r\n{headers}".encode())


def _region(event: Event) -> str:
    return event[2].get("head", event[2])["region"]


async def _fresh(client: ClientSession, region: str, limit: int = 100) -> dict[str, Any]:
    async with client.get(f"/v1/charts/{region}/hour?limit={limit}") as response:
        return settled(await response.json())


async def _next_event(socket: Any, name: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            frame = await socket.receive()
            assert frame.type is WSMsgType.TEXT  # a browser gets anything else as a Blob
            said = orjson.loads(frame.data)
            if said["event"] == name:
                return said


async def _until_closed(socket: Any) -> int | None:
    async with asyncio.timeout(60):
        while (await socket.receive()).type not in {WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING}:
            pass
    return socket.close_code
