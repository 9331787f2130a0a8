"""Clients of a live chart: python -m bench.watching ADDRESS CLIENTS SECONDS.

Prints, as one JSON line, each total of plays heard, the wall clock (ms), and how many clients heard it then.
"""

import argparse
import asyncio
import json
import sys
import time

from aiohttp import ClientSession, ClientTimeout, TCPConnector


async def run(address: str, clients: int, seconds: float) -> dict[str, object]:
    heard: dict[tuple[int, int], int] = {}
    events = 0
    until = time.monotonic() + seconds
    opened = asyncio.Semaphore(50)

    async def watch(session: ClientSession) -> None:
        nonlocal events
        async with opened:
            response = await session.get(f"{address}/v1/live?region=global&window=hour")
        assert response.status == 200, response.status
        ready.release()
        try:
            async with asyncio.timeout(max(0.1, until - time.monotonic())):
                async for line in response.content:
                    start = line.find(b'"plays":')
                    if start < 0:
                        continue
                    events += 1
                    plays = int(line[start + 8 : line.index(b",", start)])
                    place = (plays, time.time_ns() // 1_000_000)
                    heard[place] = heard.get(place, 0) + 1
        except TimeoutError:
            response.close()

    ready = asyncio.Semaphore(0)
    timeout = ClientTimeout(total=None)
    connector = TCPConnector(limit=0)
    async with ClientSession(timeout=timeout, connector=connector, read_bufsize=1 << 20) as session:
        watching = [asyncio.create_task(watch(session)) for _ in range(clients)]
        for _ in range(clients):
            await ready.acquire()
        print("ready", flush=True)  # noqa: T201
        await asyncio.gather(*watching)
    rows = sorted((plays, at, count) for (plays, at), count in heard.items())
    return {"clients": clients, "events": events, "heard": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("clients", type=int)
    parser.add_argument("seconds", type=float)
    arguments = parser.parse_args()
    json.dump(asyncio.run(run(arguments.address, arguments.clients, arguments.seconds)), sys.stdout)


if __name__ == "__main__":
    main()
