"""Live: charts pushed as they change, by server-sent events or over a WebSocket.

First the whole chart (`chart`), then what changed (`changes`), or only its head where no row did (`head`);
charts/changes.py says how to apply them. An event's id names the states of the charts the stream told so
far: sent back as Last-Event-ID, to any worker, each resumes there if the worker knows that state, else whole.

A stream ends with `end` when the worker stops or the token expires. Browsers cannot send a token along with
an EventSource or a WebSocket: web/guard.py says what they do instead.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from aiohttp import WSMsgType
from aiohttp.web import Request, StreamResponse, WebSocketResponse
from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from charts.chart import GLOBAL
from charts.errors import NotFound
from charts.window import Kind
from web.access import caller_of
from web.guard import SUBPROTOCOL
from web.hub import HUB, Hub, Message, Subject, end_soon
from web.meters import LIVE_CLIENTS
from web.problem import Problem, faults_of
from web.services import services_of
from web.shapes import Region
from web.view import Answer, Asked, view

EVENTS = "text/event-stream"
#: Well within the half minute after which proxies and the page give up on a silent line.
HEARTBEAT_S = 10.0
#: A client that does not take one message in this long is gone.
WRITE_TIMEOUT_S = 30.0
#: A WebSocket's client answers a close within this, or is hung up on.
CLOSE_TIMEOUT_S = 2.0
SUBJECTS_MAX = 8
#: The tick of a chart the client was not told yet.
NEVER = -1
#: WebSocket: our own code for a token that has expired.
EXPIRED = 4401
GOING_AWAY = 1001

LiveKind = Literal["hour", "day"]
_Listed = BeforeValidator(lambda value: value if isinstance(value, list) else [value])
Name = tuple[str, Kind]


class LiveAsked(Asked):
    """What to watch: every region named in every window named."""

    region: Annotated[tuple[Region, ...], _Listed, Field(min_length=1, max_length=SUBJECTS_MAX)] = (GLOBAL,)
    window: Annotated[tuple[LiveKind, ...], _Listed, Field(min_length=1, max_length=2)] = ("hour",)
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    last_event_id: Annotated[str, Field(max_length=1000, description="where headers cannot be sent")] = ""
    ticket: Annotated[str, Field(max_length=1000, description="instead of a token; see /v1/live/ticket")] = ""


class Subscription(BaseModel):
    """What a WebSocket's client may say."""

    action: Literal["subscribe", "unsubscribe"]
    region: Region
    window: LiveKind


@dataclass
class Watch:
    """One chart a client watches: which state it saw, and at which tick."""

    subject: Subject
    #: Until the first message, what the client says it saw.
    seen: str | None
    tick: int = NEVER


class Watching:
    """Everything one client watches, and how far it was told."""

    def __init__(self, hub: Hub, limit: int) -> None:
        self._hub = hub
        self._limit = limit
        self.by_name: dict[Name, Watch] = {}
        #: Set by news, and by a new subscription.
        self._woken = asyncio.Event()

    def add(self, name: Name, seen: str | None = None) -> None:
        if name in self.by_name:
            return
        if len(self.by_name) >= SUBJECTS_MAX:
            raise Problem(400, f"at most {SUBJECTS_MAX} charts a stream")
        self.by_name[name] = Watch(self._hub.watch((*name, self._limit), self._woken), seen)
        self._woken.set()

    def remove(self, name: Name) -> None:
        if self.by_name.pop(name, None) is not None:
            self._hub.leave((*name, self._limit), self._woken)

    def close(self) -> None:
        for name in list(self.by_name):
            self.remove(name)

    def news(self) -> Iterator[tuple[Name, Message]]:
        """What the client has not been told, one message a chart at most; told is what was taken from here.

        Each message is made when its turn comes: the ones before may take their time, and charts come and go.
        """
        for name in list(self.by_name):
            watch = self.by_name.get(name)
            if watch is None or watch.tick == watch.subject.tick:
                continue
            message = watch.subject.message(watch.seen)
            watch.seen, watch.tick = message.state, watch.subject.tick
            yield name, message

    @property
    def id(self) -> str:
        """The states of the charts told so far, as the client has them after the last message."""
        told = ((name, watch.seen) for name, watch in self.by_name.items() if watch.tick != NEVER)
        return "~".join(f"{region}.{kind}.{seen}" for (region, kind), seen in told)

    async def wait(self, seconds: float) -> None:
        """Until there may be news, or that long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()


@view(
    "GET",
    "/v1/live",
    access="read",
    rate="live",
    asked=LiveAsked,
    answers={200: Answer("Events, for as long as both sides want.", {EVENTS: str})},
    refuses=(404, 503),
    reads={"Last-Event-ID": "the id of the last event you heard"},
)
async def live(request: Request, asked: LiveAsked) -> StreamResponse:
    """Chart changes as server-sent events.

    `chart` holds a chart in full; `changes` what to do to it: rows `entered`, `left`, `up`, `down` or with
    other `plays`, under a new `head`; `head` alone where no row changed. Send the last id back in
    Last-Event-ID to go on where you were.
    """
    last_id = request.headers.get("Last-Event-ID") or asked.last_event_id
    headers = {"Content-Type": EVENTS, "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    response = StreamResponse(headers=headers)
    async with _watching(request, asked, last_id) as (watching, stream):
        await response.prepare(request)

        async def tell(name: Name, message: Message) -> None:
            await _in_time(response.write(_event(message.name, message.data, watching.id)))

        reason = await _pump(request, watching, tell, lambda: _in_time(response.write(b": beat\n\n")))
        end_soon(stream)
        await response.write(_event("end", orjson.dumps({"reason": reason}), watching.id))
        # aiohttp would do this without a bound.
        await response.write_eof()
    return response


@view(
    "GET",
    "/v1/ws",
    access="read",
    rate="live",
    asked=LiveAsked,
    answers={101: Answer("A WebSocket; every message is `{event, region, window, id, data}`.")},
    refuses=(404, 503),
    tag="live",
)
async def ws(request: Request, asked: LiveAsked) -> StreamResponse:
    """Chart changes over a WebSocket, the same events as of /v1/live.

    `{"action": "subscribe", "region": "DE", "window": "hour"}` and `unsubscribe` change what is watched.
    Browsers offer the subprotocols `livecharts` and `token.<access token>`.
    """
    socket = WebSocketResponse(
        timeout=CLOSE_TIMEOUT_S, heartbeat=HEARTBEAT_S, protocols=(SUBPROTOCOL,), max_msg_size=4096
    )
    if not socket.can_prepare(request):
        raise Problem(426, "this is a WebSocket", headers={"Upgrade": "websocket"})
    async with _watching(request, asked, asked.last_event_id) as (watching, stream):
        await socket.prepare(request)

        async def tell(name: Name, message: Message) -> None:
            told = {"event": message.name, "region": name[0], "window": name[1], "id": watching.id}
            await _say(socket, told | {"data": orjson.Fragment(message.data)})

        async def beat() -> None:
            """aiohttp's own pings do this."""

        pumping = asyncio.create_task(_pump(request, watching, tell, beat))
        listening = asyncio.create_task(_listen(socket, watching))
        try:
            done, _ = await asyncio.wait({pumping, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pumping, listening):
                task.cancel()
            await asyncio.gather(pumping, listening, return_exceptions=True)
        end_soon(stream)
        reason = pumping.result() if pumping in done else listening.result()
        code = EXPIRED if reason == "the token has expired" else GOING_AWAY
        await socket.close(code=code, message=(reason or "").encode())
    return socket


@asynccontextmanager
async def _watching(
    request: Request, asked: LiveAsked, last_id: str
) -> AsyncIterator[tuple[Watching, asyncio.Timeout]]:
    """What the request asked for, counted among the live clients while the block runs, and its bound.

    Whoever leaves need not be told, and whoever takes nothing is hung up on. Either way the block just ends.
    """
    hub = request.app[HUB]
    most = services_of(request).settings.live_clients
    if len(hub.streams) >= most or hub.closing:
        raise Problem(503, "too many live clients here: come back later")
    seen = _states(last_id)
    watching = Watching(hub, asked.limit)
    stream = asyncio.timeout(None)
    hub.streams.add(stream)
    LIVE_CLIENTS.inc()
    try:
        for region in asked.region:
            for kind in asked.window:
                watching.add((region, kind), seen.get((region, kind)))
        async with stream:
            yield watching, stream
    except ConnectionError:
        pass  # it left
    except TimeoutError:
        _hang_up(request)
    except asyncio.CancelledError:
        _hang_up(request)
        raise
    finally:
        hub.streams.discard(stream)
        LIVE_CLIENTS.dec()
        watching.close()


def _hang_up(request: Request) -> None:
    """Ends the line at once: to close it would wait until the client has taken what is written.

    Nothing may be written to it afterwards: a wait of aiohttp's that was cut off stays so.
    """
    if request.transport is not None:
        request.transport.abort()


async def _pump(
    request: Request,
    watching: Watching,
    tell: Callable[[Name, Message], Awaitable[None]],
    beat: Callable[[], Awaitable[None]],
) -> str:
    """Tells news until the stream ends; returns why."""
    hub, expires_at = request.app[HUB], caller_of(request).expires_at
    while not hub.closing:
        left_s = HEARTBEAT_S if expires_at is None else expires_at - time.time()
        if left_s <= 0:
            return "the token has expired"
        silent = True
        for name, message in watching.news():
            await tell(name, message)
            silent = False
        if silent:
            await beat()
        await watching.wait(min(HEARTBEAT_S, left_s))
    return "this worker stops: connect again"


async def _listen(socket: WebSocketResponse, watching: Watching) -> None:
    """What the client says, until it leaves."""
    shape = TypeAdapter(Subscription)
    async for said in socket:
        if said.type is not WSMsgType.TEXT:
            continue
        try:
            wanted = shape.validate_json(said.data)
            name: Name = (wanted.region, wanted.window)
            if wanted.action == "subscribe":
                watching.add(name)
            else:
                watching.remove(name)
        except ValidationError as error:
            faults = [fault.model_dump() for fault in faults_of(error)]
            await _say(socket, {"event": "error", "data": {"errors": faults}})
        except (Problem, NotFound) as error:
            await _say(socket, {"event": "error", "data": {"detail": str(error)}})


async def _say(socket: WebSocketResponse, said: dict[str, Any]) -> None:
    await _in_time(socket.send_frame(orjson.dumps(said), WSMsgType.TEXT))


async def _in_time(write: Awaitable[None]) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await write


def _event(name: str, data: bytes, state: str) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), state.encode(), data)


def _states(last_id: str) -> dict[Name, str]:
    """The states an event's id names; what is not one of ours means nothing."""
    parts = (part.split(".", 2) for part in last_id.split("~"))
    return {(part[0], part[1]): part[2] for part in parts if len(part) == 3}  # type: ignore[misc]
