"""`charts check`: how everything is, asked from a shell."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict

import click
import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from charts.errors import Unreachable
from charts.head import Head
from charts.settings import Settings, settings
from tables.boards import STALE_MS, boards_read
from tables.kafka_probes import probe_kafka
from tables.postgres import Database
from tables.probes import Finding, probe_postgres, probe_store
from tables.tansu import repair

#: `/ready` asks Postgres, which may take three seconds to be found away.
_ASK_TIMEOUT = ClientTimeout(total=10)


@click.command("check")
@click.argument("parts", nargs=-1, type=click.Choice(["kafka", "postgres", "store", "workers"]))
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of a table")
@click.option(
    "--worker", "more", multiple=True, help="the address of one more worker, such as a lake worker's"
)
def check_command(parts: tuple[str, ...], as_json: bool, more: tuple[str, ...]) -> None:
    """How Kafka, Postgres, the object store and every worker are.

    Kafka's topics with their settings and its groups with their lag; the version and tables of Postgres; an
    object written, read and deleted; the `/ready` of every worker that owns a partition. PARTS names some of
    them, else all are asked. Exits 0 when everything is as it should be, 1 when something is not.
    """
    conf = settings()
    # Whoever cannot be reached is a line of the table; the drivers would say so many times.
    logging.disable()
    if conf.broker == "tansu":
        repair()
    findings = asyncio.run(_look(conf, parts or tuple(_PARTS), more))
    ok = all(finding.ok for finding in findings)
    if as_json:
        click.echo(orjson.dumps({"ok": ok, "checks": [asdict(finding) for finding in findings]}))
    else:
        _show(findings)
    raise click.exceptions.Exit(0 if ok else 1)


async def _look(conf: Settings, parts: Iterable[str], more: Iterable[str]) -> list[Finding]:
    found = await asyncio.gather(*(_PARTS[part](conf) for part in parts), *(_ask(url) for url in more))
    return [finding for findings in found for finding in findings]


async def _postgres(conf: Settings) -> list[Finding]:
    url = conf.postgres_url.get_secret_value()
    if not url:
        return [Finding("postgres", "server", True, "none: live charts alone")]
    async with Database(url, connections=1) as database:
        return [await probe_postgres(database)]


async def _store(conf: Settings) -> list[Finding]:
    return [await probe_store(conf)]


async def _workers(conf: Settings) -> list[Finding]:
    """Every worker that some head names: what it owns, how far it is, and what its `/ready` says."""
    try:
        async with boards_read(conf) as boards:
            heads, partitions = dict(boards.heads), range(boards.partitions)
    except Unreachable as error:
        return [Finding("workers", conf.topic("chart-boards"), False, str(error))]
    owned: dict[str, list[int]] = {}
    for number, head in sorted(heads.items()):
        owned.setdefault(head.owner, []).append(number)
    answers = dict(zip(owned, await asyncio.gather(*(_ask(url) for url in owned)), strict=True))
    found = [finding for findings in answers.values() for finding in findings]
    return found + [_partition(number, heads.get(number)) for number in partitions]


def _partition(number: int, head: Head | None) -> Finding:
    """Whether somebody counts a partition, and how far it is."""
    if head is None:
        return Finding("workers", f"partition {number}", False, "was never counted")
    silent_ms = max(0, time.time_ns() // 1_000_000 - head.at)
    says = f"{head.owner}, {head.lag} records behind"
    if silent_ms > STALE_MS:
        return Finding("workers", f"partition {number}", False, f"{says}, silent for {silent_ms // 1000} s")
    return Finding("workers", f"partition {number}", True, says)


async def _ask(url: str) -> list[Finding]:
    """One worker's own word."""
    try:
        async with ClientSession(timeout=_ASK_TIMEOUT) as session, session.get(f"{url}/ready") as response:
            answer = orjson.loads(await response.read())
            checks = answer["checks"].items()
    except (ClientError, TimeoutError, ValueError, KeyError) as error:
        return [Finding("workers", url, False, f"does not answer: {error!r}")]
    reasons = [f"{name}: {state['reason']}" for name, state in checks if not state["ok"]]
    return [Finding("workers", url, not reasons, "; ".join([answer["status"], *reasons]))]


_PARTS: dict[str, Callable[[Settings], Awaitable[list[Finding]]]] = {
    "kafka": probe_kafka,
    "postgres": _postgres,
    "store": _store,
    "workers": _workers,
}


def _show(findings: list[Finding]) -> None:
    """A table; coloured where somebody looks at it."""
    table = Table("part", "what", "", "says")
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[bold red]WRONG[/]"
        table.add_row(finding.part, escape(finding.what), mark, escape(finding.says))
    Console().print(table)
