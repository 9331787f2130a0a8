"""Plays over HTTP at a fixed rate, repeated until they are taken: a load for the other figures.

    python -m bench.posting ADDRESS KEY RATE SECONDS [--batch 100] [--seed 7] [--repeat]

Prints one JSON line: what was sent, taken, refused, and the latencies. `--repeat` sends everything again,
as a client would that was killed before it heard the answers.
"""

import argparse
import asyncio
import json
import random
import sys
import time

import orjson

from bench.stand import quantile
from bench.wire import Connection, connect, request

TRACKS = 100_000
REGIONS = ("DE", "US", "SE", "FR", "JP", "BR", "GB", "IN")
CONNECTIONS = 64
#: A batch that is not answered in this long is sent again on a new connection.
GIVE_UP_S = 12.0


def batches(count: int, size: int, seed: int, start_ms: int) -> list[bytes]:
    """The bodies, made beforehand: the same seed and start give the same plays."""
    rng = random.Random(seed)  # noqa: S311
    made = []
    for number in range(count):
        plays = [
            {
                "play_id": f"{seed}-{number}-{index}",
                "user_id": f"u{rng.randrange(50_000)}",
                "track_id": f"t{int(TRACKS ** rng.random())}",
                "region": REGIONS[rng.randrange(len(REGIONS))],
                "played_at": start_ms + rng.randrange(1000),
                "ms_played": 30_000 + rng.randrange(200_000),
            }
            for index in range(size)
        ]
        made.append(orjson.dumps(plays))
    return made


class Poster:
    """Sends every batch until it is taken."""

    def __init__(self, address: str, key: str) -> None:
        self.address = address
        self.headers = {"Authorization": f"Token {key}", "Content-Type": "application/json"}
        self.taken = 0
        self.refused = 0
        self.latencies: list[float] = []
        self.free: asyncio.Queue[Connection] = asyncio.Queue()

    async def open(self) -> None:
        for _ in range(CONNECTIONS):
            self.free.put_nowait(await connect(self.address))

    async def post(self, body: bytes, plays: int, due: float) -> None:
        made = request("POST", "/v1/plays", self.headers, body)
        while True:
            connection = await self.free.get()
            try:
                async with asyncio.timeout(GIVE_UP_S):
                    status, _ = await connection.ask(made)
            except (TimeoutError, ConnectionError, OSError):
                connection.close()
                connection = await connect(self.address)
                status = 0
            self.free.put_nowait(connection)
            if status == 202:
                self.taken += plays
                self.latencies.append(asyncio.get_running_loop().time() - due)
                return
            self.refused += 1
            await asyncio.sleep(0.5)


async def run(arguments: argparse.Namespace) -> dict[str, float]:
    count = int(arguments.rate * arguments.seconds / arguments.batch)
    bodies = batches(count, arguments.batch, arguments.seed, arguments.start)
    poster = Poster(arguments.address, arguments.key)
    await poster.open()
    loop = asyncio.get_running_loop()
    print("ready", flush=True)  # noqa: T201
    started = loop.time()
    for _ in range(2 if arguments.repeat else 1):
        begun = loop.time()
        posting = []
        for number, body in enumerate(bodies):
            due = begun + number * arguments.batch / arguments.rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            posting.append(asyncio.create_task(poster.post(body, arguments.batch, due)))
        await asyncio.gather(*posting)
    seconds = loop.time() - started
    return {
        "plays": count * arguments.batch,
        "taken": poster.taken,
        "refused_requests": poster.refused,
        "seconds": round(seconds, 2),
        "plays_per_s": round(poster.taken / seconds),
        "p50_ms": round(quantile(poster.latencies, 0.5) * 1000, 1),
        "p99_ms": round(quantile(poster.latencies, 0.99) * 1000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("key")
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--start", type=int, default=time.time_ns() // 1_000_000)
    parser.add_argument("--repeat", action="store_true")
    json.dump(asyncio.run(run(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
