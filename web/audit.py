"""The audit log: every security event, with who, about whom, and from where."""

from typing import Annotated, Any

from aiohttp.web import Request, Response
from pydantic import BaseModel, Field

from tables.accounts import Event
from web.access import caller_of
from web.address import address_of
from web.desk import desk_of
from web.headers import REQUEST_ID
from web.view import Asked, answer, view


class EventShape(BaseModel):
    """One security event."""

    audit_id: int
    at: str
    event: str
    name: str | None = Field(description="whom or what it is about")
    actor: str | None = Field(description="who did it")
    address: str | None
    request_id: str | None
    details: dict[str, Any]


class AuditAsked(Asked):
    """How far back."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    before: Annotated[int, Field(ge=1, lt=1 << 62, description="only events older than this id")] = (
        1 << 62
    ) - 1


@view("GET", "/v1/auth/audit", access="admin", asked=AuditAsked, answers=list[EventShape], refuses=(503,))
async def audit(request: Request, asked: AuditAsked) -> Response:
    """The latest security events, newest first."""
    return answer(await desk_of(request).people.audit(asked.limit, asked.before))


async def record(request: Request, name: str, about: str | None = None, **details: Any) -> None:
    """Writes down what just happened."""
    event = Event(
        event=name,
        name=about,
        actor=caller_of(request).name,
        address=address_of(request),
        request_id=request[REQUEST_ID],
        details=details,
    )
    await desk_of(request).people.record(event)
