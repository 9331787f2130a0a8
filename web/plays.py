"""Plays: posted one by one, in lists or as NDJSON, and answered once Kafka has acknowledged all of them."""

from typing import Annotated, Literal

from aiohttp.web import Request, Response
from pydantic import BaseModel, Field

from web.access import caller_of
from web.problem import Fault, Problem
from web.services import services_of
from web.submission import (
    BODY_BYTES_MAX,
    PLAYS_MAX,
    PlayBody,
    named,
    namer,
    read_json,
    read_lines,
    read_plays,
)
from web.view import JSON, Answer, Asked, answer, view

NDJSON = "application/x-ndjson"
IDEMPOTENCY_KEY = "Idempotency-Key"


class PlaysAsked(Asked):
    """What becomes of the good plays beside bad ones."""

    partial: Annotated[
        Literal["true", "false"], Field(description="`true`: take the good ones; else it is all or nothing")
    ] = "false"


class Received(BaseModel):
    """Every accepted play is in Kafka, on all its replicas."""

    accepted: int
    play_ids: list[str] = Field(description="of the accepted plays, in their order")
    errors: list[Fault] = Field(description="of the others, with `partial`")


PlaysBody = PlayBody | Annotated[list[PlayBody], Field(min_length=1, max_length=PLAYS_MAX)]


@view(
    "POST",
    "/v1/plays",
    access="ingest",
    rate="ingest",
    asked=PlaysAsked,
    body=PlaysBody,
    media=(JSON, NDJSON),
    body_bytes_max=BODY_BYTES_MAX,
    raw=True,
    answers={202: Answer("Kafka has acknowledged them.", {JSON: Received})},
    refuses=(503,),
    aliases=("/play",),
    reads={IDEMPOTENCY_KEY: "names the request, so that repeating it counts nothing twice"},
)
async def post_plays(request: Request, asked: PlaysAsked, body: bytes) -> Response:
    """Takes plays in: one, a list, or NDJSON, up to 1000.

    All or nothing, unless `partial=true`. A play without a `play_id` gets one, made from the header
    `Idempotency-Key` and its place if there is one: repeat a request with the same key and nothing counts
    twice. A 503 means that some may have arrived: send the same again.
    """
    caller = caller_of(request)
    if request.content_type == NDJSON:
        is_list, (rows, broken) = True, read_lines(body)
    else:
        (rows, is_list), broken = read_json(body), {}
    taken = read_plays(rows, caller.region, namer(caller.name, _idempotency_key(request)), broken)
    faults = named(taken.faults)
    if not is_list:
        faults = [Fault(at=fault.at[1:], message=fault.message) for fault in faults]
    if faults and (asked.partial == "false" or not taken.records):
        raise Problem(422, "some plays are wrong: none was taken", errors=faults)
    await services_of(request).need("outbox").send(taken.records)
    received = {"accepted": len(taken.records), "play_ids": taken.play_ids, "errors": faults}
    return answer(received, 202)


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not 1 <= len(key) <= 200:
        raise Problem(400, f"{IDEMPOTENCY_KEY} has 1 to 200 characters")
    return key
