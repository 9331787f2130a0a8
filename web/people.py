"""People: what an admin does with others' accounts."""

from typing import Annotated

from aiohttp.web import Request, Response
from pydantic import Field

from tables.accounts import Role
from web.accounts import Body, Name, UserShape, shown
from web.audit import record
from web.desk import desk_of
from web.view import Asked, answer, view


class PeopleAsked(Asked):
    """How many."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 1000


class UserAsked(Asked):
    """Whom."""

    username: Name


class Change(Body):
    """What becomes of an account; what is left out stays."""

    role: Role | None = None
    active: bool | None = None


@view("GET", "/v1/auth/users", access="admin", asked=PeopleAsked, answers=list[UserShape], refuses=(503,))
async def users(request: Request, asked: PeopleAsked) -> Response:
    """Everybody with an account, by name."""
    return answer([shown(user) for user in await desk_of(request).people.all(asked.limit)])


@view(
    "PATCH",
    "/v1/auth/users/{username}",
    access="admin",
    asked=UserAsked,
    body=Change,
    answers=UserShape,
    refuses=(404, 503),
)
async def change_user(request: Request, asked: UserAsked, body: Change) -> Response:
    """Gives an account another role, or switches it off; its log-ins end."""
    user = await desk_of(request).people.change(asked.username, body.role, body.active)
    await record(request, "account changed", user.name, role=body.role, active=body.active)
    return answer(shown(user))
