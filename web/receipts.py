"""Receipts: what became of one play, with the record itself as evidence.

The partition that owns a play remembers it until its hour is final. A track's home may belong to another
worker, and a play may have landed elsewhere first: whoever is asked asks the others. What no worker
remembers is looked up in the lake, where there is one.
"""

import asyncio
from typing import Any, Literal
from urllib.parse import quote

from aiohttp import ClientError, ClientSession, ClientTimeout
from aiohttp.web import Request, Response
from pydantic import BaseModel, Field
from yarl import URL

from charts.chart import GLOBAL
from charts.errors import MalformedPlay, NotFound
from charts.intake import REASONS
from charts.play import ID_LENGTH, PLAY_ID_LENGTH, Play
from charts.verdict import Verdict
from charts.window import LIVE_KINDS, Window, parse_time, rfc3339
from tables.evidence import read_record
from tables.lookup import HOURS_BACK
from tables.tally import Trace
from tables.trail import Step
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
    at: Time | None = Field(
        None,
        description="about when it was played or sent: where the lake is searched; without it, the last day",
    )
    here: bool = Field(False, description="ask this worker alone")


class TraceShape(BaseModel):
    """One record of the play."""

    log: str = Field(description="the log that partition and offset belong to")
    partition: int
    offset: int
    verdict: str
    reason: str


class WindowShape(BaseModel):
    """A chart the play counts in."""

    region: str
    window: str
    starts_at: Time


class ReceiptShape(TraceShape):
    """What became of a play: the record that counts speaks for it, or else the first."""

    play_id: str
    track_id: str
    windows: list[WindowShape] = Field(description="the charts it counts in; none, if it does not count")
    play: dict[str, Any] | None = Field(
        description="the play as it was sent, while the log or the lake has it"
    )
    records: list[TraceShape] = Field(description="every record with this identity, repeats too")
    told_by: Literal["worker", "lake"] = Field(description="who remembers: a worker, or the lake alone")


@view(
    "GET", "/v1/plays/{play_id}", access="read", asked=ReceiptAsked, answers=ReceiptShape, refuses=(404, 503)
)
async def receipt(request: Request, asked: ReceiptAsked) -> Response:
    """The receipt of one play: counted, and in which charts, or not, and why."""
    services = services_of(request)
    at = parse_time(asked.at) if asked.at else None
    traces = await services.need("tally").find(asked.track_id, asked.play_id)
    if not asked.here:
        traces += await _asked_others(services, request, asked)
    if not traces:
        if asked.here or not (steps := await _lookup(services, asked, at)):
            raise NotFound(f"no play {asked.play_id!r} of {asked.track_id!r} is {_known(services, asked)}")
        return answer(_looked_up(asked, steps))
    traces = sorted(set(traces))
    chief = next((trace for trace in traces if trace.verdict is Verdict.counted), traces[0])
    record = await read_record(services.settings, chief.partition, chief.offset)
    play = _play_of(record.value, asked) if record is not None else None
    if play is not None and not asked.here and _may_count_unremembered(services, chief, play):
        steps = await _lookup(services, asked, play.played_at)
        if any(step.counts or step.verdict is Verdict.counted for step in steps):
            return answer(_looked_up(asked, steps))
    return answer(_remembered(services.settings.log_id, asked, traces, chief, play))


def _may_count_unremembered(services: Services, chief: Trace, play: Play) -> bool:
    """Whether another record may count: what did is forgotten with its hour, and what did not, later.

    And what came too late may be in a revision by now.
    """
    return chief.verdict is not Verdict.counted and services.boards.is_final(
        Window.at("hour", play.played_at)
    )


def _remembered(
    log: str, asked: ReceiptAsked, traces: list[Trace], chief: Trace, play: Play | None
) -> dict[str, Any]:
    """What the workers remember, and the record itself."""
    return {
        **_trace(log, *chief),
        "play_id": asked.play_id,
        "track_id": asked.track_id,
        "windows": _windows(play) if play is not None and chief.verdict is Verdict.counted else [],
        "play": None if play is None else _shown(play),
        "records": [_trace(log, *trace) for trace in traces],
        "told_by": "worker",
    }


async def _lookup(services: Services, asked: ReceiptAsked, at: int | None) -> list[Step]:
    """What the lake holds of a play; nothing, where there is no lake."""
    lookups, boards = services.more.get("lookups"), services.boards
    if lookups is None:
        return []
    now = max((head.clock for head in boards.heads.values()), default=0)
    return await lookups.find(asked.track_id, asked.play_id, at=at, now=now, book=boards.book)


def _known(services: Services, asked: ReceiptAsked) -> str:
    """Where was looked."""
    if asked.here or "lookups" not in services.more:
        return "remembered"
    around = f"around {asked.at}" if asked.at else f"in its last {HOURS_BACK} hours: say when, with `at`"
    return f"remembered, nor in the lake {around}"


def _looked_up(asked: ReceiptAsked, steps: list[Step]) -> dict[str, Any]:
    """What the lake says; a revision may count what the stream did not, and the other way round."""
    counted = [step for step in steps if step.verdict is Verdict.counted]
    chief = next((step for step in steps if step.counts), (counted or steps)[0])
    return {
        **_step(chief),
        "play_id": asked.play_id,
        "track_id": asked.track_id,
        "windows": _windows(chief.play) if chief.counts else [],
        "play": _shown(chief.play),
        "records": [_step(step) for step in steps],
        "told_by": "lake",
    }


def _trace(log: str, partition: int, offset: int, verdict: Verdict) -> dict[str, Any]:
    names = {"verdict": verdict.name, "reason": REASONS[verdict]}
    return {"log": log, "partition": partition, "offset": offset, **names}


def _step(step: Step) -> dict[str, Any]:
    told = _trace(*step.place, step.verdict)
    if step.counts and step.verdict is not Verdict.counted:
        told["reason"] += "; a revision counts it"
    if step.verdict is Verdict.counted and not step.counts:
        told["reason"] = "counted; a revision leaves it out"
    return told


def _shown(play: Play) -> dict[str, Any]:
    return {**play.fields(), "played_at": rfc3339(play.played_at)}


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
    # Whatever an id holds, it is one step of the path: dots too, which clients take for a way up.
    step = quote(asked.play_id, safe="").replace(".", "%2E")
    url = URL(f"{owner}/v1/plays/{step}", encoded=True)
    query = {"track_id": asked.track_id, "here": "true"}
    try:
        async with session.get(url.update_query(query)) as response:
            if response.status == 404:
                return []
            response.raise_for_status()
            records = (await response.json())["records"]
    except (ClientError, TimeoutError) as error:
        raise Problem(503, f"the worker at {owner} does not answer", headers={"Retry-After": "2"}) from error
    return [Trace(record["partition"], record["offset"], Verdict[record["verdict"]]) for record in records]
