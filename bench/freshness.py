"""Freshness: plays sent at a fixed rate, and how long after its acknowledgement each is in the chart.

The chart is the day's of all regions, over HTTP: every play is in it, and its total says how many it has.
Beside it a client reads the hour's at a fixed rate: what a reader waits while the worker counts.
"""

import asyncio
from bisect import bisect_left
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout

from bench.brokers import Brokers, create_topic
from bench.comparing import Wrong
from bench.contenders.told import now
from bench.dataset import Census, DataSet, Spec
from bench.ours import DEADLINE_S, Workers
from bench.race import Say
from bench.stand import ready, spawn, told
from charts.window import HOUR_MS
from simulator.preload import bench_world

_READS_PER_S = 100
_CHART = "/v1/charts/global/hour?limit=100"
_LOOK_S = 0.02
#: Asked again and again; its total is all that is wanted.
_TOTAL = "/v1/charts/global/day?limit=1"
#: Past noon, so that whoever was offline played on the same day; and half past, so that nearly all plays
#: fall into one hour.
_START = bench_world(1).start + 12 * HOUR_MS + HOUR_MS // 2
#: The first seconds do not count: joining, first flushes.
_WARM_UP_S = 5.0


def measure(rate: int, seconds: float, brokers: Brokers, folder: Path, say: Say) -> dict[str, Any]:
    """Send `rate` plays a second for so long."""
    plays = int(rate * (seconds + _WARM_UP_S))
    spec = Spec(plays, span_ms=int(plays / rate * 1000), start=_START)
    place = folder / "freshness"
    place.mkdir()
    with brokers.one(folder / "broker-freshness") as broker:
        data = DataSet(broker, spec, Census(), 0.0)
        asyncio.run(create_topic(broker, data.topic, spec.partitions))
        with Workers(data, place, {"CHARTS_FLUSH_INTERVAL": "1"}) as ours:
            ours.opened()
            row = asyncio.run(_beside(ours, data, rate, seconds))
            ours.counted()
    say(f"ours at {rate:,} plays/s: counted after {row['fresh_p50_ms']} ms, p99 {row['fresh_p99_ms']} ms")
    return row


async def _beside(ours: Workers, data: DataSet, rate: int, seconds: float) -> dict[str, Any]:
    seen: list[tuple[float, int]] = []
    address = f"http://127.0.0.1:{ours.ports[0]}"
    feeding = spawn(
        "bench.feeding", data.broker.url, data.topic, str(rate), str(seconds + _WARM_UP_S), str(_START)
    )
    ready(feeding)
    reading = spawn("bench.reading", address, str(_READS_PER_S), str(seconds), _CHART)
    ready(reading)
    async with ClientSession(address, timeout=ClientTimeout(10)) as session:
        await _watch(session, data.spec.plays, seen)
    sent = (await asyncio.to_thread(told, feeding))["sent"]
    read = await asyncio.to_thread(told, reading)
    began = sent[0][0] + _WARM_UP_S
    records = [count for _, count in seen]
    delays = sorted(seen[bisect_left(records, count)][0] - moment for moment, count in sent if moment > began)
    return {
        "rate": rate,
        "seconds": round(sent[-1][0] - began),
        "fresh_p50_ms": _at(delays, 0.5),
        "fresh_p99_ms": _at(delays, 0.99),
        "fresh_max_ms": _at(delays, 1.0),
        "cpu_cores": round(ours.cpu_between(began, sent[-1][0]) / (sent[-1][0] - began), 2),
        "reads_per_s": _READS_PER_S,
        "read_p50_ms": read["p50_ms"],
        "read_p99_ms": read["p99_ms"],
        "read_max_ms": read["max_ms"],
    }


def _at(ordered: list[float], share: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1) if ordered else None


async def _watch(session: ClientSession, plays: int, seen: list[tuple[float, int]]) -> None:
    """How many plays the chart has, until it has them all."""
    deadline = now() + DEADLINE_S
    while not seen or seen[-1][1] < plays:
        if now() > deadline:
            raise Wrong(f"the chart has {seen[-1][1] if seen else 0:,} plays of {plays:,}")
        try:
            async with session.get(_TOTAL) as response:
                if response.status == 200:
                    total = orjson.loads(await response.read())["plays"]
                    seen.append((now(), max(total, seen[-1][1] if seen else 0)))
        except ClientError:
            pass
        await asyncio.sleep(_LOOK_S)
