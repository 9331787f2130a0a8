"""Metrics: what Prometheus scrapes, for this machine or for whoever has the token."""

import hmac

from aiohttp.web import Request, Response
from prometheus_client import exposition

from tables.meters import METERS
from web.address import address_of
from web.problem import Problem
from web.services import services_of
from web.view import Answer, view

_LOOPBACK = {"127.0.0.1", "::1"}


@view(
    "GET",
    "/metrics",
    access="open",
    rate="none",
    answers={200: Answer("Prometheus' text format.", {"text/plain": str})},
    refuses=(403,),
)
async def metrics(request: Request) -> Response:
    """Metrics in Prometheus' text format; with CHARTS_METRICS_TOKEN for its bearer, else for this machine."""
    _admit(request)
    return Response(
        body=exposition.generate_latest(METERS), headers={"Content-Type": exposition.CONTENT_TYPE_LATEST}
    )


def _admit(request: Request) -> None:
    token = services_of(request).settings.metrics_token
    if token is None:
        if address_of(request) not in _LOOPBACK:
            raise Problem(403, "metrics are for this machine; set CHARTS_METRICS_TOKEN for others")
        return
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    # As bytes: of texts it takes only ASCII.
    wanted = token.get_secret_value()
    if not hmac.compare_digest(given.encode(errors="surrogateescape"), wanted.encode()):
        raise Problem(403, "metrics need their token")
