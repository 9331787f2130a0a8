"""Reads at a fixed pace, in a process of their own: python -m bench.reading ADDRESS RATE SECONDS PATH…

The paths are asked in turn. Says `ready` once connected, and prints one JSON line at the end.
"""

import argparse
import asyncio
import json
import sys
from typing import Any

from bench.stand import figures
from bench.wire import at_rate, request


async def read(address: str, rate: float, seconds: float, paths: list[str]) -> dict[str, Any]:
    asked = [request("GET", path) for path in paths]
    print("ready", flush=True)  # noqa: T201
    latencies, statuses = await at_rate(address, asked, rate, seconds)
    return {"per_s": round(rate), "statuses": statuses, **figures(latencies)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    parser.add_argument("paths", nargs="+")
    given = parser.parse_args()
    json.dump(asyncio.run(read(given.address, given.rate, given.seconds, given.paths)), sys.stdout)


if __name__ == "__main__":
    main()
