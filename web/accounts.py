"""Accounts: register, log in, stay logged in, log out.

OAuth2's password and refresh grants, as form or JSON. Wrong name, wrong password and a switched-off
account look the same and take the same time; a locked name is locked whether or not it exists.
"""

from math import ceil
from typing import Annotated, Any, Literal
from uuid import UUID

from aiohttp.web import Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from tables.accounts import Role, User
from tables.sessions import Reused
from web.access import caller_of
from web.audit import record
from web.desk import Desk, desk_of
from web.meters import REJECTED_LOGINS
from web.problem import Problem
from web.services import services_of
from web.tokens import TICKET_S
from web.view import FORM, JSON, Answer, answer, view

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{2,63}$")]
#: Length is what counts; the upper bound keeps hashing cheap.
Password = Annotated[SecretStr, Field(min_length=10, max_length=1000)]
_NO_STORE = {"Cache-Control": "no-store"}


class Body(BaseModel):
    """The base of the bodies here: a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Registration(Body):
    """A new account."""

    username: Name
    password: Password


class Grant(Body):
    """OAuth2's password grant (the default), or its refresh grant."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    grant_type: Literal["password", "refresh_token"] = "password"
    username: Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00-\x1f]*$")] = ""
    password: Annotated[SecretStr, Field(max_length=1000)] = SecretStr("")
    refresh_token: Annotated[SecretStr, Field(max_length=200)] = SecretStr("")


class Refresh(Body):
    """The refresh token to use up, or to end."""

    refresh_token: Annotated[SecretStr, Field(max_length=200)]


class NewPassword(Body):
    """The present password and the next."""

    password: Annotated[SecretStr, Field(max_length=1000)]
    new_password: Password


class UserShape(BaseModel):
    """Somebody with an account."""

    user_id: str
    username: str
    role: Role
    active: bool
    created_at: str


class TokenShape(BaseModel):
    """What a log-in gives."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int = Field(description="seconds the access token works")
    refresh_token: str = Field(description="good for one use; a second use ends the log-in")
    role: Role


class TicketShape(BaseModel):
    """Opens one live stream."""

    ticket: str
    expires_in: int


_TOKENS = {200: Answer("Logged in.", {JSON: TokenShape})}


@view(
    "POST",
    "/v1/auth/register",
    access="open",
    rate="login",
    body=Registration,
    answers={201: Answer("The account, a viewer's.", {JSON: UserShape})},
    refuses=(403, 409, 503),
)
async def register(request: Request, body: Registration) -> Response:
    """Makes an account, unless registration is closed."""
    if not services_of(request).settings.registration:
        raise Problem(403, "registration is closed: ask an admin for an account")
    desk = desk_of(request)
    people = desk.people
    password_hash = await desk.passwords.hash(body.password.get_secret_value())
    user = await people.create(body.username, password_hash, "viewer")
    await record(request, "registered", user.name)
    return answer(shown(user), 201)


@view(
    "POST",
    "/v1/auth/token",
    access="open",
    rate="login",
    body=Grant,
    media=(JSON, FORM),
    answers=_TOKENS,
    refuses=(401, 503),
    aliases=("/v1/auth/login",),
)
async def token(request: Request, body: Grant) -> Response:
    """Logs in: OAuth2's password grant (the default), or its refresh grant."""
    if body.grant_type == "refresh_token":
        return await _refreshed(request, body.refresh_token.get_secret_value())
    desk = desk_of(request)
    refresh_token = None
    while refresh_token is None:  # again, where the account was changed while argon2 was at work
        user = await _checked(request, desk, body)
        assert desk.sessions is not None
        refresh_token = await desk.sessions.start(user.user_id, user.password_hash)
    await _keep_up(desk, user, body)
    await record(request, "logged in", user.name)
    return _tokens(request, user, refresh_token)


@view(
    "POST",
    "/v1/auth/refresh",
    access="open",
    body=Refresh,
    media=(JSON, FORM),
    answers=_TOKENS,
    refuses=(401, 503),
)
async def refresh(request: Request, body: Refresh) -> Response:
    """The next pair of tokens for a refresh token; one used before ends all that came from its log-in."""
    return await _refreshed(request, body.refresh_token.get_secret_value())


@view(
    "POST",
    "/v1/auth/logout",
    access="open",
    body=Refresh,
    media=(JSON, FORM),
    answers={204: Answer("Logged out, if this was a log-in.")},
    refuses=(503,),
)
async def logout(request: Request, body: Refresh) -> Response:
    """Ends a log-in; its access token still works until it expires, fifteen minutes at most."""
    desk = desk_of(request)
    people = desk.people
    assert desk.sessions is not None
    user_id = await desk.sessions.end(body.refresh_token.get_secret_value())
    user = await people.by_id(user_id) if user_id else None
    if user is not None:
        await record(request, "logged out", user.name)
    return Response(status=204)


@view("GET", "/v1/auth/me", access="viewer", answers=UserShape, refuses=(404, 503))
async def me(request: Request) -> Response:
    """Whose access token this is."""
    return answer(shown(await caller_account(request)))


@view(
    "POST",
    "/v1/auth/password",
    access="viewer",
    rate="login",
    body=NewPassword,
    answers={204: Answer("Changed; every log-in has ended.")},
    refuses=(404, 503),
)
async def password(request: Request, body: NewPassword) -> Response:
    """Changes one's password and ends every log-in."""
    desk = desk_of(request)
    user = await caller_account(request)
    known = user.password_hash
    changed = await desk.passwords.check(known, body.password.get_secret_value())
    if changed:
        password_hash = await desk.passwords.hash(body.new_password.get_secret_value())
        # A reset by an admin may have come between: it stands.
        changed = await desk.people.set_password(user.user_id, password_hash, instead_of=known)
    if not changed:
        await record(request, "password change refused", user.name)
        raise Problem(403, "this is not the present password")
    await record(request, "password changed", user.name)
    return Response(status=204)


@view("POST", "/v1/live/ticket", access="viewer", answers=TicketShape, refuses=(503,), tag="live")
async def ticket(request: Request) -> Response:
    """A ticket that opens a live stream as `?ticket=`, for a browser's EventSource."""
    caller = caller_of(request)
    claims = {"sub": caller.user_id, "role": caller.role, "until": caller.expires_at}
    signed = desk_of(request).signing.issue(claims, TICKET_S, "livecharts-live")
    return answer({"ticket": signed, "expires_in": TICKET_S}, headers=_NO_STORE)


async def caller_account(request: Request) -> User:
    """The account behind an access token of ours."""
    try:
        user_id = UUID(caller_of(request).user_id or "")
    except ValueError:
        raise Problem(404, "this token is of an outside issuer: it has no account here") from None
    user = await desk_of(request).people.by_id(user_id)
    if user is None:
        raise Problem(404, "the account is gone")
    return user


def shown(user: User) -> dict[str, Any]:
    """A user as everybody may see one."""
    return {
        "user_id": str(user.user_id),
        "username": user.name,
        "role": user.role,
        "active": user.active,
        "created_at": user.created_at,
    }


async def _checked(request: Request, desk: Desk, body: Grant) -> User:
    """The user of a name and password; a failure is counted, and locks the name in the end."""
    people, name = desk.people, body.username
    _ = desk.signing
    locked_s = await people.locked_for(name)
    if locked_s:
        await record(request, "locked log-in refused", name)
        raise _locked(locked_s)
    user = await people.by_name(name)
    fits = await desk.passwords.check(user and user.password_hash, body.password.get_secret_value())
    # Others may have failed while argon2 was at work: then a guess that fits is answered, and counted, as one
    # that does not.
    locked_s = await people.locked_for(name)
    if user is None or not fits or not user.active or locked_s:
        locked_s = await people.fail(name)
        await record(request, "log-in failed", name, locked_s=round(locked_s))
        REJECTED_LOGINS.labels("locked" if locked_s else "password").inc()
        raise _locked(locked_s) if locked_s else _no_grant("wrong name or password")
    await people.forget_failures(name)
    return user


async def _keep_up(desk: Desk, user: User, body: Grant) -> None:
    """Hashes a password again with the parameters of today, unless it was changed meanwhile."""
    if desk.passwords.is_old(user.password_hash):
        again = await desk.passwords.hash(body.password.get_secret_value())
        await desk.people.set_password(user.user_id, again, instead_of=user.password_hash, end_sessions=False)


async def _refreshed(request: Request, refresh_token: str) -> Response:
    desk = desk_of(request)
    people = desk.people
    _ = desk.signing
    assert desk.sessions is not None
    rotated = await desk.sessions.rotate(refresh_token)
    user = await people.by_id(rotated.user_id) if rotated else None
    if isinstance(rotated, Reused):
        await record(request, "refresh token reused", user and user.name)
    if rotated is None or isinstance(rotated, Reused) or user is None or not user.active:
        REJECTED_LOGINS.labels("refresh").inc()
        raise _no_grant("the refresh token means nothing (any more): log in again")
    return _tokens(request, user, rotated.token)


def _tokens(request: Request, user: User, refresh_token: str) -> Response:
    lifetime_s = services_of(request).settings.jwt_lifetime
    claims = {"sub": str(user.user_id), "name": user.name, "role": user.role}
    tokens = {
        "access_token": desk_of(request).signing.issue(claims, lifetime_s),
        "token_type": "bearer",
        "expires_in": int(lifetime_s),
        "refresh_token": refresh_token,
        "role": user.role,
    }
    return answer(tokens, headers=_NO_STORE)


def _locked(seconds: float) -> Problem:
    wait = {"Retry-After": str(ceil(seconds))}
    return Problem(429, "too many failed log-ins with this name: wait", headers=wait)


def _no_grant(detail: str) -> Problem:
    return Problem(401, detail, extra={"error": "invalid_grant"}, headers={"WWW-Authenticate": "Bearer"})
