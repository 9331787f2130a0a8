"""A bare aiokafka loop: the ceiling for anything that reads through it. `--decode` also counts, in a dict."""

import asyncio
import sys
from collections import Counter
from itertools import chain

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.contenders.told import HOUR_MS, PARTITIONS, PLAYS, TOPIC, URL, now, tell


async def main(decode: bool) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=URL,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
        max_poll_records=10_000,
    )
    await consumer.start()
    consumer.assign([TopicPartition(TOPIC, number) for number in range(PARTITIONS)])
    counts: Counter[tuple[str, int, str]] = Counter()
    seen, first = 0, now()
    while seen < PLAYS:
        fetched = await consumer.getmany(timeout_ms=1000)
        if decode:
            for record in chain.from_iterable(fetched.values()):
                play = orjson.loads(record.value)
                counts[play["region"], play["played_at"] // HOUR_MS, play["track_id"]] += 1
        seen += sum(map(len, fetched.values()))
    last = now()
    tell(first, last, ((*cell, plays) for cell, plays in counts.items()) if decode else None)
    await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main("--decode" in sys.argv))
