"""Health: whether the worker lives, whether it can answer, and what each partition says of itself."""

from typing import Any

from aiohttp.web import Request, Response

from charts.window import rfc3339
from tables.memory import Memory
from tables.probes import probe_postgres
from web.charts import counted
from web.clock import now_ms
from web.services import Services, services_of
from web.shapes import HealthShape, LedgerShape, PartitionsShape, ReadyShape
from web.view import JSON, Answer, answer, view


@view("GET", "/health", access="open", rate="none", answers=HealthShape)
async def health(request: Request) -> Response:
    """The process is alive and its loop turns."""
    return answer({"status": "healthy", "service": "livecharts"})


@view(
    "GET",
    "/ready",
    access="open",
    rate="none",
    answers={
        200: Answer("Ready; `degraded` where something optional is away.", {JSON: ReadyShape}),
        503: Answer("Not ready yet.", {JSON: ReadyShape}, {"Retry-After": "seconds to wait"}),
    },
)
async def ready(request: Request) -> Response:
    """Whether charts can be read here, and how each dependency is. Charts need the boards alone."""
    checks = await _checks(services_of(request))
    is_ready = all(check["ok"] for check in checks.values() if check["required"])
    is_whole = all(check["ok"] for check in checks.values())
    status = ("ready" if is_whole else "degraded") if is_ready else "starting"
    return answer(
        {"ready": is_ready, "status": status, "checks": checks},
        status=200 if is_ready else 503,
        headers=None if is_ready else {"Retry-After": "2"},
    )


async def _checks(services: Services) -> dict[str, dict[str, Any]]:
    boards = services.boards
    checks = {"boards": _state(boards.ready, "the boards are still being read", required=True)}
    if services.outbox is not None:
        checks["kafka"] = _state(services.outbox.ready, "Kafka does not answer", required=False)
    if services.database is not None:
        found = await probe_postgres(services.database)
        checks["postgres"] = _state(found.ok, found.says, required=False)
        memory: Memory | None = services.more.get("memory")
        if memory is not None:
            checks["history"] = _state_of_history(memory, checks["postgres"]["ok"])
    return checks


def _state_of_history(memory: Memory, answers: bool) -> dict[str, Any]:
    """Final charts wait a moment for the leader, or as long as Postgres is away; the boards keep them."""
    waiting = len(memory.unwritten())
    reason = f"{waiting} final charts wait to be written" if memory.loaded.is_set() else "not read yet"
    return _state(answers and memory.loaded.is_set(), reason, required=False)


def _state(ok: bool, reason: str, *, required: bool) -> dict[str, Any]:
    return {"ok": ok, "required": required, "reason": None if ok else reason}


@view("GET", "/v1/ledger", access="read", answers=LedgerShape, refuses=(503,))
async def ledger(request: Request) -> Response:
    """What became of every record consumed so far, in all and by partition."""
    boards = counted(services_of(request).boards)
    total: dict[str, int] = {}
    partitions = []
    for number, head in sorted(boards.heads.items()):
        for verdict, count in head.ledger.items():
            total[verdict] = total.get(verdict, 0) + count
        records = sum(head.ledger.values())
        partitions.append({"partition": number, "records": records, "verdicts": head.ledger})
    records = sum(total.values())
    return answer(
        {"as_of": rfc3339(boards.as_of), "records": records, "verdicts": total, "partitions": partitions}
    )


@view("GET", "/v1/partitions", access="read", answers=PartitionsShape)
async def partitions(request: Request) -> Response:
    """The head of every partition: how far it has counted and how fresh its word is."""
    boards = services_of(request).boards
    now = now_ms()
    heads = [
        {
            "partition": number,
            "clock": rfc3339(head.clock),
            "stream_time": rfc3339(head.stream_time),
            "applied": head.applied,
            "lag": head.lag,
            "forwarded": {str(home): count for home, count in head.forwarded.items()},
            "freshness_ms": max(0, now - head.at),
        }
        for number, head in sorted(boards.heads.items())
    ]
    return answer(
        {
            "as_of": rfc3339(boards.as_of),
            "ready": boards.ready,
            "freshness_ms": boards.freshness_ms,
            "partitions": heads,
        }
    )
