"""What changelogs weigh: the bytes of their record batches, compressed as they are on the wire."""

import asyncio
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record import MemoryRecords

from bench.brokers import Broker, topics

_FETCH_BYTES = 32 << 20


def changelog_bytes(broker: Broker, name: str) -> int | None:
    """The bytes of a contender's changelogs, if it has any."""
    return asyncio.run(_weigh(broker, name))


async def _weigh(broker: Broker, name: str) -> int | None:
    found = [topic for topic in await topics(broker, name) if "changelog" in topic]
    client = AIOKafkaClient(bootstrap_servers=broker.url)
    await client.bootstrap()
    try:
        cluster = await client.fetch_all_metadata()
        places = [TopicPartition(name, n) for name in found for n in cluster.partitions_for_topic(name)]
        weights = [await _weigh_partition(client, cluster.leader_for_partition(tp), tp) for tp in places]
        return sum(weights) if places else None
    finally:
        await client.close()


async def _weigh_partition(client: Any, node: int, tp: TopicPartition) -> int:
    offset, weight = 0, 0
    while True:
        fetched = [(tp.topic, [(tp.partition, offset, _FETCH_BYTES)])]
        response = await client.send(node, FetchRequest(100, 1, _FETCH_BYTES, 0, fetched))
        records = MemoryRecords(response.topics[0][1][0][-1])
        if not records.has_next():
            return weight
        weight += records.size_in_bytes()
        while records.has_next():
            offset = records.next_batch().next_offset
