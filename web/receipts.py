"""Receipts: what became of one play, with the record itself as evidence.

The partition that owns a play remembers it until its hour is final. A track's home may belong to another
worker, and a play may have landed elsewhere first: whoever is asked asks the others.
"""

import asyncio
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from aiohttp.web import Request, Response
from pydantic import BaseModel, Field

from charts.chart import GLOBAL
from charts.errors import MalformedPlay, NotFound
from charts.intake import REASONS
from charts.play import ID_LENGTH, PLAY_ID_LENGTH, Play
from charts.verdict import Verdict
from charts.window import LIVE_KINDS, Window, rfc3339
from tables.evidence import read_record
from tables.tally import Trace
from web.problem import Problem
from web.services import Services, services_of
from web.shapes import Time
from web.view import Asked, answer, view

#: Another worker answers from memory; one that does not is as good as away.
_ASK_TIMEOUT = ClientTimeout(total=3)


class ReceiptAsked(Asked):
    """Which play."""

    play_id: str = Field(min_length=1, max_length=PLAY_ID_LENGTH)
    track_id: str = Field(min_length=1, max_length=ID_LENGTH)
    here: bool = Field(False, description="ask this worker alone")


class TraceShape(BaseModel):
    """One record of the play."""

    partition: int
    offset: int
    verdict: str
    reason: str


class WindowShape(BaseModel):
    """A chart the play counts in."""

    region: str
    window: str
    starts_at: Time


class ReceiptShape(BaseModel):
    """What became of a play."""

    play_id: str
    track_id: str
    verdict: str
    reason: str
    partition: int
    offset: int
    windows: list[WindowShape] = Field(description="the charts it counts in; none, if it does not count")
    play: dict[str, Any] | None = Field(description="the play as it lies in the log, while it does")
    records: list[TraceShape] = Field(description="every record with this identity, repeats too")


@view(
    "GET", "/v1/plays/{play_id}", access="read", asked=ReceiptAsked, answers=ReceiptShape, refuses=(404, 503)
)
async def receipt(request: Request, asked: ReceiptAsked) -> Response:
    """The receipt of one play: counted, and in which charts, or not, and why."""
    services = services_of(request)
    traces = await services.need("tally").find(asked.track_id, asked.play_id)
    if not asked.here:
        traces += await _asked_others(services, request, asked)
    if not traces:
        raise NotFound(f"no play {asked.play_id!r} of {asked.track_id!r} is remembered")
    return answer(await _receipt(services, asked, sorted(set(traces))))


async def _receipt(services: Services, asked: ReceiptAsked, traces: list[Trace]) -> dict[str, Any]:
    """The record that counted speaks for the play; where none did, the first."""
    chief = next((trace for trace in traces if trace.verdict is Verdict.counted), traces[0])
    record = await read_record(services.settings, chief.partition, chief.offset)
    play = _play_of(record.value, asked) if record is not None else None
    return {
        "play_id": asked.play_id,
        "track_id": asked.track_id,
        "verdict": chief.verdict.name,
        "reason": REASONS[chief.verdict],
        "partition": chief.partition,
        "offset": chief.offset,
        "windows": _windows(play) if play is not None and chief.verdict is Verdict.counted else [],
        "play": None if play is None else {**play.fields(), "played_at": rfc3339(play.played_at)},
        "records": [
            {
                "partition": trace.partition,
                "offset": trace.offset,
                "verdict": trace.verdict.name,
                "reason": REASONS[trace.verdict],
            }
            for trace in traces
        ],
    }


def _play_of(value: bytes, asked: ReceiptAsked) -> Play:
    """The play itself: the identity is a hash, the record is the proof."""
    try:
        play = Play.decode(value)
    except MalformedPlay as error:
        raise NotFound("another record has this identity's hash") from error
    if (play.track_id, play.play_id) != (asked.track_id, asked.play_id):
        raise NotFound("another play has this identity's hash")
    return play


def _windows(play: Play) -> list[dict[str, str]]:
    return [
        {
            "region": region,
            "window": kind,
            "starts_at": rfc3339(Window.at(kind, play.played_at).start),
        }
        for region in (play.region, GLOBAL)
        for kind in LIVE_KINDS
    ]


async def _asked_others(services: Services, request: Request, asked: ReceiptAsked) -> list[Trace]:
    """What the other workers remember; 503 while one that owns partitions does not answer."""
    owners = {head.owner for head in services.boards.heads.values()} - {services.settings.own_url}
    credential = request.headers.get("Authorization")
    headers = {"Authorization": credential} if credential else {}
    async with ClientSession(timeout=_ASK_TIMEOUT, headers=headers) as session:
        answers = await asyncio.gather(*(_ask(session, owner, asked) for owner in owners))
    return [trace for traces in answers for trace in traces]


async def _ask(session: ClientSession, owner: str, asked: ReceiptAsked) -> list[Trace]:
    url = f"{owner}/v1/plays/{asked.play_id}"
    query = {"track_id": asked.track_id, "here": "true"}
    try:
        async with session.get(url, params=query) as response:
            if response.status == 404:
                return []
            response.raise_for_status()
            records = (await response.json())["records"]
    except (ClientError, TimeoutError) as error:
        raise Problem(503, f"the worker at {owner} does not answer", headers={"Retry-After": "2"}) from error
    return [Trace(record["partition"], record["offset"], Verdict[record["verdict"]]) for record in records]
