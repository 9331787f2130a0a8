"""Freshness: plays sent at a fixed rate, and how long after its acknowledgement each is in the ledger.

Beside it a client reads the chart at a fixed rate: what a reader waits while the worker counts.
"""

import asyncio
from bisect import bisect_left
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout

from bench.brokers import Brokers, create_topic
from bench.contenders.told import now
from bench.dataset import Census, DataSet, Spec
from bench.ours import Workers
from bench.race import Say
from charts.window import HOUR_MS
from simulator.listeners import Listeners
from simulator.preload import bench_world
from simulator.send import KafkaSender

#: Plays go out this often.
_BEAT_S = 0.05
_READS_PER_S = 100
_LOOK_S = 0.02
#: Half past the hour, so that nearly all plays fall into one.
_START = bench_world(1).start + HOUR_MS // 2
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
            row = asyncio.run(_beside(ours, data, rate))
            ours.counted()
    say(f"ours at {rate:,} plays/s: counted after {row['fresh_p50_ms']} ms, p99 {row['fresh_p99_ms']} ms")
    return row


async def _beside(ours: Workers, data: DataSet, rate: int) -> dict[str, Any]:
    sent: list[tuple[float, int]] = []
    seen: list[tuple[float, int]] = []
    took: list[float] = []
    address = f"http://127.0.0.1:{ours.ports[0]}"
    stop = asyncio.Event()
    async with ClientSession(address, timeout=ClientTimeout(10)) as session:
        watching = asyncio.create_task(_watch(session, data.spec.plays, seen))
        reading = asyncio.create_task(_read(session, took, stop))
        await _send(data, rate, sent)
        await watching
        stop.set()
        await reading
    began = sent[0][0] + _WARM_UP_S
    records = [count for _, count in seen]
    delays = sorted(seen[bisect_left(records, count)][0] - moment for moment, count in sent if moment > began)
    took.sort()
    return {
        "rate": rate,
        "seconds": round(sent[-1][0] - began),
        "fresh_p50_ms": _at(delays, 0.5),
        "fresh_p99_ms": _at(delays, 0.99),
        "fresh_max_ms": _at(delays, 1.0),
        "cpu_cores": round(ours.cpu_between(began, sent[-1][0]) / (sent[-1][0] - began), 2),
        "reads_per_s": _READS_PER_S,
        "read_p50_ms": _at(took, 0.5),
        "read_p99_ms": _at(took, 0.99),
        "read_max_ms": _at(took, 1.0),
    }


def _at(ordered: list[float], share: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1) if ordered else None


async def _send(data: DataSet, rate: int, sent: list[tuple[float, int]]) -> None:
    """So many plays a beat, all acknowledged before the next; when, and how many were out by then."""
    world = bench_world(data.spec.plays, data.spec.span_ms, data.spec.tracks)
    world = replace(world, start=data.spec.start or world.start)
    piece = int(rate * _BEAT_S)
    total = 0
    async with KafkaSender(data.broker.url, data.topic) as sender:
        chunks = list(Listeners(world).records(data.spec.plays))
        began = now()
        for chunk in chunks:
            for start in range(0, len(chunk), piece):
                await asyncio.sleep(max(0.0, began + total / rate - now()))
                part = chunk.cut(start, start + piece)
                await sender.send(part)
                await sender.flush()
                total += len(part)
                sent.append((now(), total))


async def _watch(session: ClientSession, plays: int, seen: list[tuple[float, int]]) -> None:
    """What the ledger says, again and again."""
    while not seen or seen[-1][1] < plays:
        try:
            async with session.get("/v1/ledger") as response:
                if response.status == 200:
                    records = orjson.loads(await response.read())["records"]
                    seen.append((now(), max(records, seen[-1][1] if seen else 0)))
        except ClientError:
            pass
        await asyncio.sleep(_LOOK_S)


async def _read(session: ClientSession, took: list[float], stop: asyncio.Event) -> None:
    """The chart, at a fixed rate: a late answer does not delay the next question."""
    asked: set[asyncio.Task[None]] = set()

    async def one(due: float) -> None:
        try:
            async with session.get("/v1/charts/global/hour?limit=100") as response:
                await response.read()
                if response.status == 200:
                    took.append(now() - due)
        except ClientError:
            pass

    due = now()
    while not stop.is_set():
        due += 1 / _READS_PER_S
        await asyncio.sleep(max(0.0, due - now()))
        task = asyncio.create_task(one(due))
        asked.add(task)
        task.add_done_callback(asked.discard)
    await asyncio.gather(*asked)
