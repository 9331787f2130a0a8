"""Keys: how machines post plays. Made and ended by editors for themselves, by admins for all."""

from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from aiohttp.web import Request, Response
from pydantic import BaseModel, Field, StringConstraints

from tables.keys import Key, Keys
from web.access import caller_of
from web.accounts import Body, caller_account
from web.audit import record
from web.desk import desk_of
from web.guard import GUARD
from web.problem import Problem
from web.view import JSON, Answer, Asked, answer, view


class NewKey(Body):
    """A key to be."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")]
    scope: Literal["ingest"] = "ingest"
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = Field(
        None, description="where its listens are, for posts that do not say"
    )
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = None


class KeyShape(BaseModel):
    """A key, without its secret."""

    key_id: str
    name: str
    scope: Literal["ingest"]
    region: str | None
    owner: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class KeySecret(KeyShape):
    """A new key, its secret included: it is not shown again."""

    key: str


class KeysAsked(Asked):
    """How many."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class KeyAsked(Asked):
    """Which."""

    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]


@view(
    "POST",
    "/v1/auth/keys",
    access="editor",
    body=NewKey,
    answers={201: Answer("The key, with its secret for the only time.", {JSON: KeySecret})},
    refuses=(404, 503),
)
async def create_key(request: Request, body: NewKey) -> Response:
    """Makes a key that may post plays."""
    keys = _keys(request)
    user = await caller_account(request)
    lifetime_s = body.expires_in_days * 86_400.0 if body.expires_in_days else None
    key, secret = await keys.create(user.user_id, body.name, body.region, lifetime_s)
    await record(request, "key created", user.name, key_id=key.key_id, region=key.region)
    return answer({**_shown(key), "key": secret}, 201, {"Cache-Control": "no-store"})


@view("GET", "/v1/auth/keys", access="editor", asked=KeysAsked, answers=list[KeyShape], refuses=(503,))
async def list_keys(request: Request, asked: KeysAsked) -> Response:
    """One's own keys; all of them for an admin."""
    found = await _keys(request).all(_reach(request), asked.limit)
    return answer([_shown(key) for key in found])


@view(
    "DELETE",
    "/v1/auth/keys/{key_id}",
    access="editor",
    asked=KeyAsked,
    answers={204: Answer("Revoked: other workers notice within ten seconds.")},
    refuses=(404, 503),
)
async def revoke_key(request: Request, asked: KeyAsked) -> Response:
    """Ends a key for good."""
    name = await _keys(request).revoke(asked.key_id, _reach(request))
    request.app[GUARD].forget_keys()
    await record(request, "key revoked", name, key_id=asked.key_id)
    return Response(status=204)


def _keys(request: Request) -> Keys:
    keys = desk_of(request).keys
    if keys is None:
        raise Problem(503, "this worker has no accounts: it runs without Postgres")
    return keys


def _reach(request: Request) -> UUID | None:
    """Whose keys the caller may touch: None for everybody's."""
    caller = caller_of(request)
    if caller.role == "admin":
        return None
    try:
        return UUID(caller.user_id or "")
    except ValueError:
        raise Problem(403, "this token is of an outside issuer: it has no account here") from None


def _shown(key: Key) -> dict[str, Any]:
    fields = asdict(key)
    del fields["user_id"]
    return fields
