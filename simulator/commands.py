"""`charts simulate`: listeners that play, into Kafka or through the front door."""

import asyncio
import logging
import signal
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from charts.errors import BadSettings, ChartsError, Unreachable
from charts.settings import Settings, settings
from charts.window import parse_time, rfc3339
from simulator.catalogue import Catalogue
from simulator.drive import Pace, Progress, Sender, drive
from simulator.listeners import Listeners
from simulator.post import HttpSender
from simulator.send import KafkaSender, create_topic
from simulator.truth import Limits, Truth
from simulator.world import Faults, World, regions_of

#: Between two lines of progress: on a terminal one line is written over, elsewhere they add up.
_PROGRESS_S, _PROGRESS_LOGGED_S = 0.5, 10.0
_FRACTION = click.FloatRange(0, 1)


@dataclass(frozen=True, slots=True)
class Errand:
    """Where the plays go, how fast, and how many."""

    settings: Settings
    world: World
    pace: Pace
    total: int | None
    topic: str
    http: str | None
    token: str | None
    create: bool
    truth: Path | None
    settle_ms: int
    partitions: int | None
    quiet: bool


@click.command()
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), default=20, show_default=True, help="plays per second"
)
@click.option(
    "--burst", is_flag=True, help="send as fast as it goes; --rate and --speed only space event time"
)
@click.option("--total", type=click.IntRange(1), help="end after so many plays")
@click.option("--duration", type=click.FloatRange(0, min_open=True), help="end after so many seconds' plays")
@click.option("--start", default="now", show_default=True, help="simulated time of the first play, RFC 3339")
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    default=1,
    show_default=True,
    help="simulated seconds per second",
)
@click.option("--regions", default="20", show_default=True, help="so many of the largest, or named: DE,FR")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="the same seed and start, the same plays",
)
@click.option(
    "--clock", "ticks", is_flag=True, help="send every partition a tick each simulated minute and at the end"
)
@click.option(
    "--settle", type=click.FloatRange(0), default=0, help="the last tick is so many simulated seconds later"
)
@click.option(
    "--duplicates", type=_FRACTION, default=0, help="fraction of records that repeat an earlier one"
)
@click.option("--late", type=_FRACTION, default=0, help="fraction that come after their hour was closed")
@click.option("--early", type=_FRACTION, default=0, help="fraction that start too far ahead")
@click.option("--short", type=_FRACTION, default=0, help="fraction played too briefly")
@click.option("--malformed", type=_FRACTION, default=0, help="fraction that are no plays")
@click.option(
    "--tracks", type=click.IntRange(1), default=100_000, show_default=True, help="size of the catalogue"
)
@click.option(
    "--listeners", type=click.IntRange(1), default=200_000, show_default=True, help="how many people listen"
)
@click.option(
    "--zipf", type=click.FloatRange(0), default=1.0, show_default=True, help="exponent of popularity"
)
@click.option("--names/--no-names", default=True, show_default=True, help="plays carry title and artist")
@click.option(
    "--truth",
    type=click.Path(dir_okay=False, path_type=Path),
    help="write what a perfect chart system must answer",
)
@click.option("--topic", help="instead of this log's song-plays")
@click.option("--partitions", type=click.IntRange(1), help="of the topic: checked, or made with --create")
@click.option("--create", is_flag=True, help="make the topic if it is missing, for CHARTS_CLOCK=log")
@click.option("--http", metavar="URL", help="post to this worker instead of Kafka")
@click.option("--token", envvar="CHARTS_TOKEN", help="API token for --http (or in CHARTS_TOKEN)")
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=5_000,
    show_default=True,
    help="records sent in one piece, at most",
)
@click.option("--quiet", is_flag=True, help="no progress, only the summary")
@click.option(
    "--catalogue",
    type=click.Path(dir_okay=False, path_type=Path),
    help="write the catalogue (.csv, .jsonl) and end",
)
def simulate(catalogue: Path | None, **options: Any) -> None:
    """Play music: made-up listeners, from a seed, at a rate.

    The truth file tells the verdict of every record and the counts of every chart. With faults it holds for
    CHARTS_CLOCK=log and records sent straight to Kafka; through HTTP, for plays on time.
    """
    errand = _errand(**options)
    if catalogue is not None:
        Catalogue(errand.world.seed, errand.world.tracks).export(catalogue)
        click.echo(f"{errand.world.tracks:,} tracks written to {catalogue}", err=True)
        return
    # What Kafka's client has to say comes back as errors, counted; its log would break the progress line.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(run(errand))


def _errand(
    *,
    rate: float,
    burst: bool,
    total: int | None,
    duration: float | None,
    start: str,
    speed: float,
    regions: str,
    seed: int,
    ticks: bool,
    settle: float,
    tracks: int,
    listeners: int,
    zipf: float,
    names: bool,
    truth: Path | None,
    topic: str | None,
    partitions: int | None,
    create: bool,
    http: str | None,
    token: str | None,
    batch: int,
    quiet: bool,
    **faults: float,
) -> Errand:
    if duration is not None:
        total = min(total or sys.maxsize, max(1, round(rate * duration)))
    if http is not None and not token:
        raise BadSettings("--http needs an API token: --token or CHARTS_TOKEN")
    if http is not None and (faults["malformed"] or ticks):
        raise BadSettings("through HTTP nothing malformed comes in, and no ticks")
    if settle and not ticks:
        raise BadSettings("--settle moves the last tick: it needs --clock")
    known = settings()
    world = World(
        seed=seed,
        start=int(time.time() * 1000) if start == "now" else parse_time(start),
        step_ms=1000 * speed / rate,
        regions=regions_of(regions),
        tracks=tracks,
        listeners=listeners,
        zipf=zipf,
        names=names,
        faults=Faults(**faults),
        rules=known.rules,
        ticks=ticks,
    )
    pace = Pace(None if burst else rate, 1000 * speed, batch)
    topic = topic or known.topic("song-plays")
    settle_ms = round(settle * 1000)
    return Errand(known, world, pace, total, topic, http, token, create, truth, settle_ms, partitions, quiet)


async def run(errand: Errand) -> None:
    """Send, tell how it goes, and sum up; raises where plays were lost."""
    async with AsyncExitStack() as stack:
        sender, world = await _open(stack, errand)
        rules = world.rules
        limits = Limits(rules.lateness_ms, rules.early_ms, rules.shortest_ms)
        truth = Truth(limits, world.partitions) if errand.truth else None
        progress = Progress()
        reporter = asyncio.create_task(_report(progress, sender, errand.quiet))
        stop = _stop_on_signals()
        try:
            await drive(
                *(Listeners(world), sender, errand.pace, progress, stop),
                total=errand.total,
                truth=truth,
                settle_ms=errand.settle_ms,
            )
        finally:
            reporter.cancel()
            await asyncio.gather(reporter, return_exceptions=True)
    _sum_up(errand, sender, progress, truth)


async def _open(stack: AsyncExitStack, errand: Errand) -> tuple[Sender, World]:
    """The way out, and the world with as many partitions as lie there."""
    if errand.http is not None:
        partitions = errand.partitions or errand.settings.partitions
        assert errand.token is not None, "checked with the options"
        sender = await stack.enter_async_context(HttpSender(errand.http, errand.token))
        return sender, replace(errand.world, partitions=partitions)
    url = errand.settings.kafka_url
    if errand.create:
        await create_topic(url, errand.topic, errand.partitions or errand.settings.partitions)
    kafka = await stack.enter_async_context(KafkaSender(url, errand.topic))
    if errand.partitions not in (None, kafka.partitions):
        raise BadSettings(f"{errand.topic} has {kafka.partitions} partitions, not {errand.partitions}")
    return kafka, replace(errand.world, partitions=kafka.partitions)


def _stop_on_signals() -> asyncio.Event:
    """Set on Ctrl-C or SIGTERM: what is on its way is still sent, and the summary written."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


async def _report(progress: Progress, sender: Sender, quiet: bool) -> None:
    """The progress line."""
    terminal = sys.stderr.isatty()
    taken, at = 0, progress.elapsed_s
    while not quiet:
        await asyncio.sleep(_PROGRESS_S if terminal else _PROGRESS_LOGGED_S)
        now, rows = progress.elapsed_s, progress.taken
        line = (
            f"{sender.sent:,} sent · {(rows - taken) / (now - at):,.0f}/s · {sender.failed:,} errors"
            f" · {rfc3339(progress.clock // 1000 * 1000)}"
        )
        if progress.behind_s > 1:
            line += f" · {progress.behind_s:.0f} s behind"
        click.echo(f"\r\x1b[K{line}" if terminal else line, nl=not terminal, err=True)
        taken, at = rows, now


def _sum_up(errand: Errand, sender: Sender, progress: Progress, truth: Truth | None) -> None:
    elapsed_s = max(progress.elapsed_s, 1e-9)
    span = f"{rfc3339(errand.world.start)} to {rfc3339(progress.clock)}"
    if sys.stderr.isatty() and not errand.quiet:
        click.echo("\r\x1b[K", nl=False, err=True)
    click.echo(
        f"{sender.sent:,} records sent in {elapsed_s:.1f} s, {sender.sent / elapsed_s:,.0f}/s: {span}",
        err=True,
    )
    if truth is not None and errand.truth is not None:
        kafka = sender if isinstance(sender, KafkaSender) else None
        if kafka is not None and not kafka.in_order:
            raise ChartsError("no truth: the log holds other records than ours, or ours twice")
        nowhere: list[int | None] = [None] * len(truth.verdicts)
        truth.write(errand.truth, kafka.first_offsets if kafka else nowhere)
        ledger = ", ".join(f"{count:,} {verdict}" for verdict, count in truth.ledger.items())
        click.echo(f"{ledger}: {errand.truth}", err=True)
    if sender.failed:
        raise Unreachable(f"{sender.failed:,} records were not acknowledged: {sender.failure}")
