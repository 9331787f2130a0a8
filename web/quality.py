"""Data quality: what the leader's last look found."""

from aiohttp.web import Request, Response
from pydantic import BaseModel, Field

from charts.errors import NotFound
from charts.quality import CHECKS
from charts.window import rfc3339
from tables.quality import last_look
from web.services import services_of
from web.shapes import Time
from web.view import answer, view


class CheckShape(BaseModel):
    """One check."""

    name: str
    holds: str = Field(description="what must be true")
    ok: bool
    faults: list[str] = Field(description="where it is not; a hundred at most")


class QualityShape(BaseModel):
    """The last look of the quality monitor."""

    looked_at: Time
    as_of: Time = Field(description="event time up to which everything was counted then")
    ok: bool
    checks: list[CheckShape]


@view("GET", "/v1/quality", access="read", answers=QualityShape, refuses=(404, 503))
async def quality(request: Request) -> Response:
    """Whether everything adds up: ledgers, boards, history, lake. Looked at every quarter of an hour."""
    look = await last_look(services_of(request).need("database"))
    if look is None:
        raise NotFound("nobody has looked yet")
    checks = [
        {"name": check.name, "holds": CHECKS.get(check.name, ""), "ok": check.ok, "faults": check.faults}
        for check in look.checks
    ]
    ok = all(check.ok for check in look.checks)
    return answer(
        {"looked_at": rfc3339(look.looked_at), "as_of": rfc3339(look.as_of), "ok": ok, "checks": checks}
    )
