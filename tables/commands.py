"""What an operator does to Postgres by hand: `charts migrate`, `charts catalog`, `charts import-chart`."""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from charts.chart import GLOBAL
from charts.errors import BadRequest
from charts.external import FORMATS as CHART_FORMATS
from charts.external import Format as ChartFormat
from charts.external import apple_region, guess_format
from charts.settings import settings
from charts.window import KINDS, Kind, Window, parse_time, rfc3339
from tables.external import fetch, import_chart, schedule, unschedule
from tables.migrations import migrate
from tables.postgres import Database
from tables.rows import OURS
from tables.sheets import FORMATS, Bad, Format, format_of, size_of

T = TypeVar("T")
#: Bad rows shown; `--report` has all of them.
SHOWN = 20

_FORM = click.option(
    "--format", "form", type=click.Choice(sorted(set(FORMATS.values()))), help="Instead of the file's ending."
)


def with_database(work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Run something on the database of the settings."""

    async def run() -> T:
        async with Database(settings().postgres_url.get_secret_value(), connections=2) as database:
            return await work(database)

    return asyncio.run(run())


@click.command("migrate")
def migrate_command() -> None:
    """Bring the database of CHARTS_POSTGRES_URL to this version.

    Safe to run twice, and from two machines at once. Exits 0 when nothing is left to apply.
    """
    applied = [f"applied {migration.path.name}" for migration in with_database(migrate)]
    for line in applied or ["nothing to apply"]:
        click.echo(line)


@click.group("catalog")
def catalog_group() -> None:
    """The catalogue of tracks: bring it in, take it out."""


@catalog_group.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@_FORM
@click.option(
    "--report", type=click.Path(path_type=Path), help="Write every bad row there: line, tab, reason."
)
def import_command(path: Path, form: Format | None, report: Path | None) -> None:
    """Import tracks from a CSV, JSON Lines or Parquet file.

    Columns: track_id and title, and as you have them artist_id, artist, album_id, album, genre, duration_ms,
    isrc, release_date, cover_url. Tracks that are there already are replaced. Bad rows are named and left
    out. Exits 0 when every row went in, 1 when some were bad, 2 when the file cannot be read.
    """
    from tables.importing import import_tracks  # noqa: PLC0415 - a fast start for the other commands

    form = form or format_of(path)
    with _Bar(path.name, size_of(path, form)) as bar:
        outcome = with_database(lambda database: import_tracks(database, path, form, bar.done))
    good = outcome.rows - len(outcome.bad)
    click.echo(
        f"{good:,} tracks imported, {outcome.changed:,} of them new or changed, {len(outcome.bad):,} bad rows"
    )
    for line in _report(outcome.bad, report):
        click.echo(line, err=True)
    if outcome.bad:
        raise click.exceptions.Exit(1)


@catalog_group.command("export")
@click.argument("path", type=click.Path(path_type=Path))
@_FORM
def export_command(path: Path, form: Format | None) -> None:
    """Export all tracks to a CSV, JSON Lines or Parquet file that `import` takes."""
    from tables.exporting import count_tracks, export_tracks  # noqa: PLC0415

    form = form or format_of(path)
    if not path.parent.is_dir():
        raise BadRequest(f"{path.parent}: no such folder")
    with _Bar(path.name, with_database(count_tracks)) as bar:
        written = with_database(lambda database: export_tracks(database, path, form, bar.done))
    click.echo(f"{written:,} tracks exported to {path}")


@click.command("import-chart")
@click.argument("address")
@click.option("--region", help="Two capitals or `global`; an Apple feed says its own.")
@click.option("--window", "kind", type=click.Choice(KINDS), default="day", show_default=True)
@click.option("--at", help="A time inside the chart's window; without it, now.")
@click.option("--format", "form", type=click.Choice(CHART_FORMATS), help="Instead of what it looks like.")
@click.option("--source", help="Whose chart it is; the format's name if you say nothing.")
@click.option("--every", type=click.IntRange(min=60), metavar="SECONDS", help="Do it again and again, too.")
@click.option("--never", is_flag=True, help="Do it no more: ADDRESS is not read.")
def import_chart_command(
    address: str,
    *,
    region: str | None,
    kind: Kind,
    at: str | None,
    form: ChartFormat | None,
    source: str | None,
    every: int | None,
    never: bool,
) -> None:
    """Import another publisher's chart from a file or an http address.

    Reads Apple's "most played" feed (JSON) and Spotify's chart CSV; charts are then at
    /v1/charts/{region}/{window}?source=apple. With --every the leading worker imports it from then on.
    """
    if source is not None and not re.fullmatch(r"[a-z0-9-]{1,32}", source):
        raise BadRequest(f"a source is lower-case letters, digits and dashes, not {source!r}")
    if source == OURS:
        raise BadRequest(f"{OURS} is our own charts' source")

    async def work(database: Database) -> str:
        if never:
            if not (region and source):
                raise BadRequest("--never needs --region and --source")
            gone = await unschedule(database, source, region, kind)
            return "scheduled no more" if gone else "nothing was scheduled"
        content = await fetch(address)
        read_as = form or guess_format(content)
        window = Window.at(kind, parse_time(at) if at else time.time_ns() // 1_000_000)
        named = source or read_as
        chart = await import_chart(database, content, read_as, region=region, window=window, source=named)
        said = f"revision {chart.revision}, {len(chart.entries)} entries" if chart else "nothing new"
        if every is not None:
            place = region or (chart.region if chart else apple_region(content)) or GLOBAL
            await schedule(database, named, place, kind, form=read_as, address=address, every_s=every)
            said += f"; again every {every} s"
        return f"{named} {kind} {rfc3339(window.start)}: {said}"

    click.echo(with_database(work))


def _report(bad: list[Bad], report: Path | None) -> list[str]:
    if report is not None:
        report.write_text("".join(f"{line}\t{reason}\n" for line, reason in bad))
    lines = [f"line {line}: {reason}" for line, reason in bad[:SHOWN]]
    if len(bad) > SHOWN:
        lines.append(
            f"… and {len(bad) - SHOWN:,} more{f', all in {report}' if report else ' (--report FILE)'}"
        )
    return lines


class _Bar:
    """A progress bar on the terminal, on standard error."""

    def __init__(self, label: str, length: int) -> None:
        stderr = click.get_text_stream("stderr")
        self._bar: Any = click.progressbar(length=length, label=label, file=stderr)
        self._at = 0

    def __enter__(self) -> "_Bar":
        self._bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)

    def done(self, at: int) -> None:
        self._bar.update(at - self._at)
        self._at = at
