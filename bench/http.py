"""HTTP, measured on one worker that counts beside it: `python -m bench.http [reads|ingest|live …]`.

    reads    charts in full and as 304, as fast as they come; present and past ones at a fixed rate: at rest,
             beside plays that come in through Kafka, and beside plays posted to the same worker
    ingest   plays in batches of 100, the broker paused in the middle, a client that repeats everything
    live     500 clients of one chart while plays come in: from the published board to the client

Prints one JSON line a figure. The broker, Postgres and worker are its own; so are the loads' processes, on
the same cores: read the figures as what one small machine does in all.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from bench.history import made_chart
from bench.stand import Stand, figures, quantile, ready, spawn, standing, told
from bench.wire import hammer, request
from charts.window import DAY_MS, HOUR_MS, Window, rfc3339
from tables.history import History
from tables.postgres import Database
from web.clock import now_ms

CHART = "/v1/charts/global/hour"
_PAST_REGIONS = ("global", "DE", "US", "SE", "FR", "JP", "BR", "GB")
#: A load has come to its rate.
_SETTLE_S = 3.0
#: The broker stands still this long in the middle.
PAUSE_S = 10.0
COUNTED_TIMEOUT_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figures", nargs="*", default="all", choices=[*FIGURES, "all"])
    parser.add_argument("--rate", type=float, default=20_000, help="plays a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=500)
    arguments = parser.parse_args()
    for figure in FIGURES if "all" in arguments.figures else arguments.figures:
        with standing() as stand:
            asyncio.run(FIGURES[figure](stand, arguments))


async def reads(stand: Stand, arguments: argparse.Namespace) -> None:
    """As fast as they come, then paced."""
    await _fill(stand)
    headers = _ask(stand, CHART)[1]
    full = request("GET", CHART)
    known = request("GET", CHART, {"If-None-Match": headers["ETag"]})
    settled = request("GET", "/v1/charts/global/hour?limit=10")
    idle = stand.cpu_s
    await asyncio.sleep(5)
    idle = stand.cpu_s - idle
    for name, made in (("full", full), ("304", known), ("ten rows", settled)):
        before = stand.cpu_s
        latencies, statuses = await hammer(stand.address, made, connections=16, seconds=5)
        # What the worker spends on a read, its own idling left out: what other loads here do not change much.
        cpu_us = round((stand.cpu_s - before - idle) / len(latencies) * 1e6)
        rate = round(len(latencies) / 5)
        _print("reads", what=name, per_s=rate, cpu_us=cpu_us, statuses=statuses, **figures(latencies))
    past = await _write_past(stand)
    _print("reads at rest", **await _read(stand, 1000, [CHART]))
    _print("past charts at rest", **await _read(stand, 200, past))
    topic, start_ms = stand.settings.topic("song-plays"), now_ms()
    plays = spawn("bench.feeding", stand.kafka.url, topic, str(int(arguments.rate)), "36", str(start_ms))
    ready(plays)
    await asyncio.sleep(_SETTLE_S)
    _print("reads beside plays", **await _read(stand, 200, [CHART]))
    _print("reads beside plays", **await _read(stand, 1000, [CHART]))
    _print("past charts beside plays", **await _read(stand, 200, past))
    _print("plays meanwhile", plays_per_s=(await asyncio.to_thread(told, plays))["plays_per_s"])
    load = spawn("bench.posting", stand.address, stand.key, str(arguments.rate), "14")
    ready(load)
    await asyncio.sleep(_SETTLE_S)
    _print("reads beside posted plays", **await _read(stand, 1000, [CHART]))
    _print("plays meanwhile", **await asyncio.to_thread(told, load))


async def _read(stand: Stand, rate: float, paths: list[str]) -> dict[str, Any]:
    reader = spawn("bench.reading", stand.address, str(rate), "8", *paths)
    ready(reader)
    return await asyncio.to_thread(told, reader)


async def _write_past(stand: Stand) -> list[str]:
    """Final charts of a day long gone; where to read each."""
    rng = random.Random(1)  # noqa: S311
    day = Window.at("day", now_ms() - 7 * DAY_MS)
    hours = [Window("hour", day.start + hour * HOUR_MS) for hour in range(24)]
    charts = [made_chart(region, hour, 100, rng, "final") for hour in hours for region in _PAST_REGIONS]
    async with Database(stand.settings.postgres_url.get_secret_value(), connections=1) as database:
        await History(database).write_final(charts)
    return [f"/v1/charts/{chart.region}/hour?at={rfc3339(chart.window.start)}" for chart in charts]


async def ingest(stand: Stand, arguments: argparse.Namespace) -> None:
    """At rate; the broker paused in the middle; then everything once more."""
    # A worker that has just joined its group opens its state; that is not what is measured.
    filled = await _fill(stand)
    before = stand.cpu_s
    load = spawn("bench.posting", stand.address, stand.key, str(arguments.rate), str(arguments.seconds))
    ready(load)
    result = told(load)
    _print("ingest", cpu_s=round(stand.cpu_s - before, 1), **result)
    result["plays"] += filled
    counted = await _counted(stand, result["plays"])
    _print("ingest counted", sent=result["plays"], **counted)
    start = now_ms()
    options = (str(arguments.rate), "20", "--seed", "8", "--start", str(start))
    paused = spawn("bench.posting", stand.address, stand.key, *options)
    ready(paused)
    await asyncio.sleep(5)
    os.kill(stand.kafka.process.pid, signal.SIGSTOP)
    await asyncio.sleep(PAUSE_S)
    os.kill(stand.kafka.process.pid, signal.SIGCONT)
    second = await asyncio.to_thread(told, paused)
    _print("ingest, the broker paused for 10 s", rss_mb=round(stand.rss_mb), **second)
    counted = await _counted(stand, result["plays"] + second["plays"])
    _print("ingest counted", sent=result["plays"] + second["plays"], **counted)
    again = spawn("bench.posting", stand.address, stand.key, *options)
    ready(again)
    third = await asyncio.to_thread(told, again)
    _print("the same once more", **third)
    _print(
        "counts unchanged",
        **await _counted(stand, result["plays"] + second["plays"], duplicates=third["plays"]),
    )


async def live(stand: Stand, arguments: argparse.Namespace) -> None:
    """From the board's record to the client, over all clients and events."""
    await _fill(stand)
    rest = stand.rss_mb
    watching = spawn("bench.watching", stand.address, str(arguments.clients), str(arguments.seconds + 4))
    ready(watching)
    boards = asyncio.create_task(_published(stand, arguments.seconds + 8))
    load = spawn("bench.posting", stand.address, stand.key, str(arguments.rate), str(arguments.seconds))
    ready(load)
    output = asyncio.create_task(asyncio.to_thread(told, watching))
    await asyncio.sleep(arguments.seconds - 2)
    busy = stand.rss_mb
    heard = await output
    published = await boards
    late: list[float] = []
    for plays, at_ms, clients in heard["heard"]:
        moment = next((moment for total, moment in published if total >= plays), None)
        if moment is not None:
            late += [at_ms - moment] * clients
    _print(
        "live",
        clients=heard["clients"],
        events=heard["events"],
        matched=len(late),
        p50_ms=round(quantile(late, 0.5)),
        p99_ms=round(quantile(late, 0.99)),
        rss_mb_before=round(rest),
        rss_mb=round(busy),
    )
    _print("plays meanwhile", **told(load))


async def _published(stand: Stand, seconds: float) -> list[tuple[int, float]]:
    """The plays of the watched chart after each board record, and the record's time."""
    totals: dict[tuple[bytes, int], int] = {}
    found: list[tuple[int, float]] = []
    consumer = AIOKafkaConsumer(
        stand.settings.topic("chart-boards"),
        bootstrap_servers=stand.settings.kafka_url,
        auto_offset_reset="earliest",
    )
    async with consumer:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for place, records in (await consumer.getmany(timeout_ms=50)).items():
                for record in records:
                    if record.key.startswith(b"global/hour/") and record.value:
                        totals[record.key, place.partition] = orjson.loads(record.value)["plays"]
                        newest = max(key for key, _ in totals)
                        found.append(
                            (sum(n for (key, _), n in totals.items() if key == newest), record.timestamp)
                        )
    return sorted(found, key=lambda one: one[1])


async def _fill(stand: Stand) -> int:
    """Some plays first, so that the worker is at work and the chart has its hundred rows; says how many."""
    load = spawn("bench.posting", stand.address, stand.key, "5000", "2", "--seed", "1")
    ready(load)
    result = await asyncio.to_thread(told, load)
    await _counted(stand, result["plays"])
    return int(result["plays"])


async def _counted(stand: Stand, plays: int, duplicates: int = 0) -> dict[str, Any]:
    """The ledger, once it holds these plays (and what came twice): never fewer, never more."""
    until = time.monotonic() + COUNTED_TIMEOUT_S
    while True:
        verdicts = json.loads(_ask(stand, "/v1/ledger")[0])["verdicts"]
        if verdicts.get("counted", 0) >= plays and verdicts.get("duplicate", 0) >= duplicates:
            return {"verdicts": verdicts, "exact": verdicts["counted"] == plays}
        if time.monotonic() > until:
            return {"verdicts": verdicts, "exact": False}
        await asyncio.sleep(0.3)


def _ask(stand: Stand, path: str) -> tuple[bytes, Any]:
    with urllib.request.urlopen(stand.address + path, timeout=10) as response:  # noqa: S310
        return response.read(), response.headers


def _print(figure: str, **values: Any) -> None:
    sys.stdout.write(json.dumps({"figure": figure, **values}) + "\n")
    sys.stdout.flush()


FIGURES: dict[str, Callable[..., Any]] = {"reads": reads, "ingest": ingest, "live": live}

if __name__ == "__main__":
    main()
