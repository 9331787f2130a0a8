"""ListenBrainz-compatible: scrobblers point their base URL here and need not know the difference.

Mounted at the root, as that server is, and under /apis/listenbrainz, as other self-hosted ones are. A token
is one of our ingest keys; its owner is the listener, its region where the listens are.
"""

import time
from typing import Any

import orjson
from aiohttp.web import Request, Response
from pydantic import BaseModel, Field

from charts.window import TIME_END
from tables.accounts import Accounts
from web.access import caller_of
from web.desk import desk_of
from web.guard import GUARD
from web.listens import (
    BODY_BYTES_MAX,
    LISTEN_BYTES_MAX,
    LISTENS_MAX,
    BadListen,
    Listen,
    ListenType,
    read_listen,
)
from web.problem import Problem
from web.services import services_of
from web.submission import PLAY_BYTES_MAX
from web.view import JSON, Answer, answer, view

MOUNT = "/apis/listenbrainz"
_CAUSES = {
    "missing": "You need to provide an Authorization header.",
    "unreadable": "Provided Authorization header is invalid.",
}


class Status(BaseModel):
    """Done."""

    status: str
    recording_msid: str | None = None


class TokenValidity(BaseModel):
    """Whether a token is one; a bad one is a 200 too."""

    code: int
    message: str
    valid: bool
    user_name: str | None = None


class LatestImport(BaseModel):
    """Where an import may go on."""

    musicbrainz_id: str
    latest_import: int


class Refusal(BaseModel):
    """ListenBrainz's error; a bad listen's own keys stand beside these."""

    code: int
    error: str
    listens: list[dict[str, Any]] | None = Field(None, description="with `explain=true`: every bad listen")


class Submission(BaseModel):
    """Listens: `{"listened_at": …, "track_metadata": {…}}`."""

    listen_type: ListenType
    payload: list[dict[str, Any]] = Field(min_length=1, max_length=LISTENS_MAX)


def refuse(problem: Problem) -> Response:
    """A problem in ListenBrainz's shape: plain text for the rate limit, else code and error."""
    status, text = problem.status, problem.detail or "error"
    if status == 429:
        return Response(
            status=429, text="Too many requests: see the X-RateLimit headers.", headers=problem.headers
        )
    if status in {401, 403}:
        status, text = 401, _CAUSES.get(problem.cause, "Invalid authorization token.")
    elif status == 413:
        status, text = 400, f"Payload too large. Payload cannot exceed {BODY_BYTES_MAX} bytes"
    headers = {name: value for name, value in problem.headers.items() if name != "WWW-Authenticate"}
    try:
        return answer({**problem.extra, "code": status, "error": text}, status, headers)
    except orjson.JSONEncodeError:
        # The listen nests deeper than can be said back.
        return answer({"code": status, "error": text}, status, headers)


@view(
    "POST",
    "/1/submit-listens",
    access="ingest",
    rate="ingest",
    body=Submission,
    media=(),
    body_bytes_max=BODY_BYTES_MAX,
    raw=True,
    answers={200: Answer("Every listen is in Kafka.", {JSON: Status})},
    refuses=(400, 503),
    refuse=refuse,
    refusal=Refusal,
    aliases=(f"{MOUNT}/1/submit-listens",),
)
async def submit_listens(request: Request, body: bytes) -> Response:
    """Takes listens in, all or nothing; sent again, they count once. `playing_now` is checked and not kept.

    `?explain=true` names every bad listen by its index, not only the first.
    """
    kind, payload = _read_submission(body)
    listens = _read_payload(payload, kind, explain=request.query.get("explain") == "true")
    if kind == "playing_now":
        wants_msid = request.query.get("return_msid") == "true"
        return answer(
            {"status": "ok"} | ({"recording_msid": listens[0].recording_msid} if wants_msid else {})
        )
    caller = caller_of(request)
    user = caller.user_name or caller.name
    records = [_record(listen, user, caller.region) for listen in listens]
    await services_of(request).need("outbox").send(records)
    return answer({"status": "ok"})


@view(
    "GET",
    "/1/validate-token",
    access="open",
    answers=TokenValidity,
    refuses=(400, 503),
    refuse=refuse,
    refusal=Refusal,
    aliases=(f"{MOUNT}/1/validate-token",),
)
async def validate_token(request: Request) -> Response:
    """Whether the token in the header, or in `?token=`, is a key of ours; 200 either way."""
    parts = request.headers.get("Authorization", "").split()
    token = request.query.get("token") or (parts[1] if len(parts) > 1 else "")
    if not token:
        raise Problem(400, "You need to provide an Authorization token.")
    try:
        caller = await request.app[GUARD].by_key(token)
    except Problem as problem:
        if problem.status != 401:
            raise
        return answer({"code": 200, "message": "Token invalid.", "valid": False})
    return answer({"code": 200, "message": "Token valid.", "valid": True, "user_name": caller.user_name})


@view(
    "GET",
    "/1/latest-import",
    access="ingest",
    answers=LatestImport,
    refuses=(404, 503),
    refuse=refuse,
    refusal=Refusal,
    aliases=(f"{MOUNT}/1/latest-import",),
)
async def latest_import(request: Request) -> Response:
    """Up to when `?user_name=` has imported listens; 0 at first."""
    name = request.query.get("user_name", "")
    user = await _people(request).by_name(name) if "\0" not in name else None
    if user is None:
        raise Problem(404, f"Cannot find user: {name}")
    return answer({"musicbrainz_id": user.name, "latest_import": user.latest_import})


@view(
    "POST",
    "/1/latest-import",
    access="ingest",
    body=dict[str, Any],
    media=(),
    raw=True,
    answers=Status,
    refuses=(400, 503),
    refuse=refuse,
    refusal=Refusal,
    aliases=(f"{MOUNT}/1/latest-import",),
)
async def set_latest_import(request: Request, body: bytes) -> Response:
    """Remembers how far the key's owner has imported; never less than before."""
    try:
        moment = int(orjson.loads(body).get("ts", 0))
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise Problem(400, "Invalid data sent") from None
    if not 0 <= moment < TIME_END:
        raise Problem(400, "Invalid data sent")
    await _people(request).import_until(caller_of(request).user_name or "", moment)
    return answer({"status": "ok"})


def _people(request: Request) -> Accounts:
    return desk_of(request).people


def _read_submission(body: bytes) -> tuple[ListenType, list[Any]]:
    """The rules of the document, before those of its listens, in ListenBrainz's order."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"Cannot parse JSON document: {error}") from None
    if not isinstance(document, dict):
        raise Problem(
            400, "Invalid JSON document submitted. Top level of JSON document should be a json object."
        )
    if "payload" not in document:
        raise Problem(400, "Invalid JSON document submitted.")
    payload = document["payload"]
    if not isinstance(payload, list):
        raise Problem(400, "The payload in the JSON document should be a list of listens.")
    if not payload:
        raise Problem(400, "JSON document does not contain any listens")
    if len(payload) > LISTENS_MAX:
        raise Problem(400, f"Too many listens. You may not submit more than {LISTENS_MAX} listens at once.")
    if len(body) > len(payload) * LISTEN_BYTES_MAX:
        raise _too_large()
    if "listen_type" not in document:
        raise Problem(400, "Invalid JSON document submitted.")
    kind = document["listen_type"]
    if kind not in ("single", "import", "playing_now"):
        raise Problem(400, "JSON document requires a valid listen_type key.")
    if kind != "import" and len(payload) > 1:
        raise Problem(
            400,
            "JSON document contains more than listen for a single/playing_now. It should contain only one.",
        )
    return kind, payload


def _read_payload(payload: list[Any], kind: ListenType, *, explain: bool) -> list[Listen]:
    now_s = time.time()
    listens = []
    bad: list[dict[str, Any]] = []
    for index, value in enumerate(payload):
        try:
            listens.append(read_listen(value, kind, now_s))
        except BadListen as error:
            if not explain:
                raise Problem(400, str(error), extra=value if isinstance(value, dict) else {}) from None
            bad.append({"index": index, "error": str(error)})
    if bad:
        raise Problem(400, bad[0]["error"], extra={"listens": bad})
    return listens


def _record(listen: Listen, user: str, region: str | None) -> tuple[bytes, bytes]:
    """A listen on the wire; what stands beside it stays out where it is too much."""
    play = listen.play(user, region)
    value = play.encode()
    if len(value) > PLAY_BYTES_MAX:
        play.extra.clear()
        value = play.encode()
    if len(value) > PLAY_BYTES_MAX:
        raise _too_large()
    return play.track_id.encode(), value


def _too_large() -> Problem:
    return Problem(
        400,
        "JSON document is too large. In aggregate, listens may not be larger than "
        f"{LISTEN_BYTES_MAX} characters.",
    )
