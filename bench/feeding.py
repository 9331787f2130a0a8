"""Plays straight into Kafka at a fixed rate: a load, in a process of its own.

    python -m bench.feeding KAFKA TOPIC RATE SECONDS START_MS

Says `ready` once the plays are made. Prints one JSON line at the end: when each beat was acknowledged, on the
clock all processes share, and how many plays were out by then.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import replace

from bench.contenders.told import now
from simulator.listeners import Listeners
from simulator.preload import bench_world
from simulator.send import KafkaSender

#: Plays go out this often.
_BEAT_S = 0.05


async def feed(url: str, topic: str, rate: int, seconds: float, start_ms: int) -> list[tuple[float, int]]:
    """So many plays a beat, all acknowledged before the next."""
    plays, piece = int(rate * seconds), int(rate * _BEAT_S)
    sent: list[tuple[float, int]] = []
    async with KafkaSender(url, topic) as sender:
        world = replace(bench_world(plays, int(seconds * 1000)), start=start_ms, partitions=sender.partitions)
        chunks = list(Listeners(world).records(plays))
        print("ready", flush=True)  # noqa: T201
        began, total = now(), 0
        for chunk in chunks:
            for first in range(0, len(chunk), piece):
                await asyncio.sleep(max(0.0, began + total / rate - now()))
                part = chunk.cut(first, first + piece)
                await sender.send(part)
                await sender.flush()
                total += len(part)
                sent.append((now(), total))
    return sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("kafka", str), ("topic", str), ("rate", int), ("seconds", float), ("start", int)):
        parser.add_argument(name, type=kind)
    given = parser.parse_args()
    sent = asyncio.run(feed(given.kafka, given.topic, given.rate, given.seconds, given.start))
    json.dump({"sent": sent, "plays_per_s": round(sent[-1][1] / (sent[-1][0] - sent[0][0]))}, sys.stdout)


if __name__ == "__main__":
    main()
