"""The lake worker's own web: alive, ready, and its figures. It serves no charts.

An object store that does not answer is told here; the backlog waits in the log meanwhile and drains when it
is back, so the worker stays alive, and is not ready.
"""

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp.web import Application, Request, Response
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from tables.lake import LakeState

_FIGURES = {
    "lake_store_away_seconds": ("for how long the object store has not answered", lambda s: s.away_s),
    "lake_files_written": ("full raw files written", lambda s: s.written.files),
    "lake_rows_written": ("records in them", lambda s: s.written.rows),
    "lake_bytes_written": ("bytes of them", lambda s: s.written.bytes),
    "lake_rows_growing": ("records read that are in no full file yet", lambda s: s.growing),
    "lake_lag_records": ("records in the log that were not read yet", lambda s: s.behind),
    "lake_hours_waiting": (
        "final hours that are not curated yet; on the worker that curates",
        lambda s: s.waiting,
    ),
    "lake_curating": ("1 on the worker that curates", lambda s: s.curating),
}


def mount(application: Application, state: Callable[[], LakeState]) -> None:
    """Puts `/health`, `/ready` and `/metrics` on an application that has not started."""

    async def health(request: Request) -> Response:
        return _json({"status": "healthy", "service": "livecharts-lake"}, 200)

    async def ready(request: Request) -> Response:
        now = state()
        store = {"ok": not now.away_s, "required": True, "reason": now.why if now.away_s else None}
        reading = {"ok": now.ready, "required": True, "reason": None if now.ready else "no rules yet"}
        fine = now.ready and not now.away_s
        checks = {"object store": store, "boards": reading}
        status = "ready" if fine else "degraded" if now.ready else "starting"
        return _json({"ready": fine, "status": status, "checks": checks}, 200 if fine else 503)

    async def metrics(request: Request) -> Response:
        now, registry = state(), CollectorRegistry()
        for name, (what, read) in _FIGURES.items():
            Gauge(name, what, registry=registry).set(float(read(now)))
        return Response(body=generate_latest(registry), content_type="text/plain")

    for path, handler in (("/health", health), ("/ready", ready), ("/metrics", metrics)):
        application.router.add_get(path, handler)


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(body=orjson.dumps(body), status=status, content_type="application/json")
