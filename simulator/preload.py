"""Preloading: millions of plays into a topic, as fast as the broker takes them. For benches and soaks."""

import asyncio
from dataclasses import replace

from charts.errors import Unreachable
from charts.window import HOUR_MS
from simulator.drive import Pace, Progress, drive
from simulator.listeners import CHUNK, Listeners
from simulator.send import KafkaSender
from simulator.truth import Truth
from simulator.world import REGIONS, World


def bench_world(plays: int, span_ms: int = 3 * HOUR_MS, tracks: int = 1_000_000) -> World:
    """The world the figures in the report are of: so many plays of all regions, spread over three hours."""
    return World(step_ms=span_ms / plays, regions=REGIONS, tracks=tracks, zipf=1.0)


async def preload(
    url: str, topic: str, world: World, plays: int, *, truth: Truth | None = None, settle_ms: int = 0
) -> Progress:
    """Fill a topic that is there; every play is acknowledged. A world with ticks ends with one."""
    progress = Progress()
    async with KafkaSender(url, topic) as sender:
        listeners = Listeners(replace(world, partitions=sender.partitions))
        pace = Pace(rate=None, batch=2 * CHUNK)
        await drive(
            *(listeners, sender, pace, progress, asyncio.Event()),
            total=plays,
            truth=truth,
            settle_ms=settle_ms,
        )
        if sender.failed or not sender.in_order:
            raise Unreachable(f"{sender.failed:,} of {plays:,} plays were lost or moved: {sender.failure}")
    return progress
