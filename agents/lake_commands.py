"""What an operator does to the lake by hand: `charts curate`, `charts audit`, `charts replay`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from agents.curate import Curator
from charts.errors import BadRequest
from charts.settings import Settings, settings
from charts.verdict import Rules
from charts.window import DAY_MS, HOUR_MS, Window, kind_of, parse_time, rfc3339
from tables.audit import Asked, Audit, Difference
from tables.boards import Boards, boards_read
from tables.late import LateIndex
from tables.postgres import Database
from tables.published import published_span
from tables.replay import Move, Plan, Replay
from tables.store import Store, open_store

#: Rows of a table that a terminal bears.
_SHOWN = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything the commands work with."""

    conf: Settings
    store: Store
    database: Database
    boards: Boards


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    """The store, Postgres, and what the heads and rules say; raises Unreachable."""
    conf = settings()
    url = conf.postgres_url.get_secret_value()
    async with (
        open_store(conf) as store,
        Database(url, connections=2) as database,
        boards_read(conf) as boards,
    ):
        yield Desk(conf, store, database, boards)


def _run(work: Callable[[Desk], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        async with desk() as found:
            return await work(found)

    return asyncio.run(run())


def _hours(start: str, end: str) -> range:
    """The whole hours of a span (counted from 1970)."""
    first, last = parse_time(start), parse_time(end)
    if first % HOUR_MS or last % HOUR_MS or last <= first:
        raise BadRequest("a span goes from one full hour to a later one")
    return range(first // HOUR_MS, last // HOUR_MS)


@click.command("curate")
@click.option("--hour", required=True, help="the hour's start, such as 2026-11-21T14:00:00Z")
def curate_command(hour: str) -> None:
    """Write one hour of the curated zone again from the raw zone.

    Prints the rows read and written. Exits 0 when the hour lies there as it counts.
    """
    number = parse_time(hour) // HOUR_MS

    async def work(desk: Desk) -> str:
        if not desk.boards.is_final(Window("hour", number * HOUR_MS)):
            raise BadRequest(f"{rfc3339(number * HOUR_MS)} is not final yet")
        conf = desk.conf
        curator = Curator(desk.store, desk.database, desk.boards, log_id=conf.log_id, top_n=conf.top_n)
        job = await curator.curate_hour(number)
        return f"{job.rows_in} rows read, {job.rows_out} plays, {job.files} files written, {job.bytes} bytes"

    click.echo(_run(work))


@click.command("audit")
@click.option("--region", help="one region, or `global`; all, if left out")
@click.option("--window", "kind", type=click.Choice(["hour", "day", "week"]), help="one kind of window")
@click.option("--at", help="the window that contains this time")
@click.option("--from", "start", help="from this hour on")
@click.option("--to", "end", help="up to this hour")
def audit_command(
    *, region: str | None, kind: str | None, at: str | None, start: str | None, end: str | None
) -> None:
    """Count published charts again from the lake, and compare row by row.

    Everything final, if no time is given. Also compares the curated zone, days with their hours, `global`
    with its regions, and checks that no raw file is missing. Exits 0 if all is equal, 1 if not.
    """

    async def work(desk: Desk) -> tuple[list[Difference], int]:
        asked = await _asked(desk, region=region, kind=kind, at=at, start=start, end=end)
        audit = Audit(desk.store, desk.database, desk.boards.book, log_id=desk.conf.log_id)
        found: list[Difference] = []
        days = range(asked.start // DAY_MS, -(-asked.end // DAY_MS))
        with click.progressbar(days, label="days", file=click.get_text_stream("stderr")) as bar:
            for day in bar:
                if kind != "week":
                    found += await audit.day(day, asked)
                week = Window.at("week", day * DAY_MS)
                if week.start == day * DAY_MS and kind in (None, "week"):
                    found += await audit.week(week, asked)
        return found, audit.charts

    found, charts = _run(work)
    if found:
        _show(("chart", "what", "published", "lake", "records"), [difference.row for difference in found])
        raise click.exceptions.Exit(1)
    click.echo(f"equal: {charts} charts")


async def _asked(
    desk: Desk, *, region: str | None, kind: str | None, at: str | None, start: str | None, end: str | None
) -> Asked:
    """What to look at."""
    if at is not None:
        if kind is None:
            raise BadRequest("--at needs --window")
        window = Window.at(kind_of(kind), parse_time(at))
        return Asked(window.start, window.start + 1, region, kind_of(kind))
    span = await published_span(desk.database)
    if span is None:
        raise BadRequest("nothing is final in the history yet")
    first = parse_time(start) if start else span[0]
    last = parse_time(end) if end else span[1] + 1
    return Asked(first, last, region, kind_of(kind) if kind else None)


@click.command("replay")
@click.option("--from", "start", required=True, help="the first hour, such as 2026-11-21T00:00:00Z")
@click.option("--to", "end", required=True, help="the hour after the last")
@click.option("--include-late", is_flag=True, help="take in the plays that came too late")
@click.option("--shortest", type=float, help="count plays of so many seconds or more")
@click.option("--lateness", type=float, help="count plays that came so many seconds after their hour")
@click.option("--reason", default="replay", show_default=True, help="what the correction log says")
@click.option("--dry-run", is_flag=True, help="only print who would move")
def replay_command(
    *,
    start: str,
    end: str,
    include_late: bool,
    shortest: float | None,
    lateness: float | None,
    reason: str,
    dry_run: bool,
) -> None:
    """Build the charts of past windows anew from the lake, as new revisions.

    The live stream is not touched. A chart that says the same stays as it is.
    """
    hours = _hours(start, end)

    async def work(desk: Desk) -> tuple[list[Move], int]:
        conf, boards = desk.conf, desk.boards
        late = await LateIndex(desk.store, desk.database).search() if include_late else None
        replay = Replay(desk.store, desk.database, boards, log_id=conf.log_id, top_n=conf.top_n)
        moves: list[Move] = []
        charts = 0
        days = sorted({hour // 24 for hour in hours})
        with click.progressbar(days, label="days", file=click.get_text_stream("stderr")) as bar:
            for day in bar:
                rules = _rules(boards.book.on(day), shortest, lateness)
                wanted = [h for h in hours if h // 24 == day and boards.is_final(Window("hour", h * HOUR_MS))]
                plan = Plan(reason, rules, late)
                if dry_run:
                    moves += await replay.look(wanted, plan)
                else:
                    done = await replay.run(wanted, plan)
                    moves, charts = moves + done.moves, charts + len(done.charts)
        return moves, charts

    moves, charts = _run(work)
    if moves:
        _show(("chart", "track", "before", "after"), [_row(move) for move in moves])
    if dry_run:
        click.echo(f"{len(moves)} rows would move")
    else:
        click.echo(f"{charts} charts revised")


def _rules(rules: Rules, shortest: float | None, lateness: float | None) -> Rules | None:
    """The day's rules with other thresholds, or None where none is other."""
    changed = rules
    if shortest is not None:
        changed = replace(changed, shortest_ms=round(shortest * 1000))
    if lateness is not None:
        changed = replace(changed, lateness_ms=round(lateness * 1000))
    return None if changed == rules else changed


def _row(move: Move) -> tuple[str, ...]:
    where = f"{move.region} {move.window.kind} {rfc3339(move.window.start)}"
    sides = ("–" if side is None else f"{side[0]}. ×{side[1]}" for side in (move.before, move.after))
    return where, move.track_id, *sides


def _show(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*columns)
    for row in rows[:_SHOWN]:
        table.add_row(*row)
    Console().print(table)
    if len(rows) > _SHOWN:
        click.echo(f"… and {len(rows) - _SHOWN} more")
