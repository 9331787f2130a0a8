"""Probes of Kafka: brokers, our topics with their settings, how far the consumer groups are."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from charts.settings import Settings
from tables.probes import Finding
from tables.topics import COMPACTED, topics

#: A broker that is well answers within a second; ten leave room for one that is busy.
TIMEOUT_S = 10.0
#: The consumer groups: who counts, and who fills the lake, where there is one.
COUNT_GROUP, LAKE_GROUP = "livecharts", "livecharts-lake"


@dataclass(frozen=True, slots=True)
class _Cluster:
    settings: Settings
    admin: AIOKafkaAdminClient
    #: What the brokers say of themselves and of every topic.
    metadata: Any


async def probe_kafka(settings: Settings) -> list[Finding]:
    """Everything that is ours in Kafka; one line if it does not answer."""
    try:
        async with asyncio.timeout(TIMEOUT_S), _asked(settings) as cluster:
            return [
                _brokers(cluster),
                *await _topics(cluster),
                *[await _group(cluster, name) for name in _groups(settings)],
            ]
    except (KafkaError, TimeoutError) as error:
        return [Finding("kafka", settings.kafka_url, False, f"does not answer: {error!r}")]


@asynccontextmanager
async def _asked(settings: Settings) -> AsyncIterator[_Cluster]:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.kafka_url, request_timeout_ms=round(TIMEOUT_S * 1000)
    )
    try:
        await admin.start()
        # Of all topics: asking for one by name might make it.
        yield _Cluster(settings, admin, await admin._client.fetch_all_metadata())
    finally:
        await admin.close()


def _brokers(cluster: _Cluster) -> Finding:
    brokers = cluster.metadata.brokers()
    where = ", ".join(sorted(f"{broker.host}:{broker.port}" for broker in brokers))
    return Finding("kafka", "brokers", bool(brokers), f"{len(brokers)}: {where}")


async def _topics(cluster: _Cluster) -> list[Finding]:
    """Each topic: there, as wide as the plays, in sync, and kept the way we need it."""
    settings = cluster.settings
    changelog = f"{settings.prefix}livecharts-{settings.log_id}-tally-changelog"
    wanted = {**topics(settings), changelog: COMPACTED}
    width = len(_parts(cluster, settings.topic("song-plays")))
    configs = await _configs(cluster.admin, [name for name in wanted if _parts(cluster, name)])
    found = []
    for name, config in wanted.items():
        parts = _parts(cluster, name)
        faults = _faults(parts, width, config, configs.get(name, {}))
        says = "; ".join(faults) or f"{len(parts)} partitions, all settings as they must be"
        found.append(Finding("kafka", f"topic {name}", not faults, says))
    return found


def _faults(
    parts: Mapping[int, Any], width: int, wanted: Mapping[str, str], config: Mapping[str, str | None]
) -> list[str]:
    if not parts:
        return ["is missing: a worker's start makes it"]
    faults = []
    if len(parts) != width:
        faults.append(f"{len(parts)} partitions, the plays have {width}")
    behind = sorted(number for number, part in parts.items() if len(part.isr) < len(part.replicas))
    if behind:
        faults.append(f"replicas are missing of partitions {', '.join(map(str, behind))}")
    faults += [
        f"{key}={config.get(key)}, not {value}" for key, value in wanted.items() if config.get(key) != value
    ]
    return faults


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str | None]]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answers: Any = await admin.describe_configs(asked) if asked else []
    return {
        found[3]: {entry[0]: entry[1] for entry in found[4]}
        for answer in answers
        for found in answer.resources
    }


def _groups(settings: Settings) -> list[str]:
    return [COUNT_GROUP, LAKE_GROUP] if settings.lake_url else [COUNT_GROUP]


async def _group(cluster: _Cluster, name: str) -> Finding:
    """How many are in it, and how far what it committed is from the end of the plays."""
    settings = cluster.settings
    group, topic = f"{settings.prefix}{name}-{settings.log_id}", settings.topic("song-plays")
    described: Any = await cluster.admin.describe_consumer_groups([group])
    members = len(described[0].groups[0][5])
    lags = await _lags(settings, group, [TopicPartition(topic, part) for part in _parts(cluster, topic)])
    worst = max(lags, key=lambda place: lags[place], default=None)
    says = f"{members} members, {sum(lags.values())} records after what is committed"
    if worst is not None and lags[worst]:
        says += f", {lags[worst]} of them in partition {worst.partition}"
    return Finding("kafka", f"group {group}", members > 0, says)


async def _lags(settings: Settings, group: str, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    if not places:
        return {}
    # Not one of the group: it assigns itself, and commits nothing.
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_url, group_id=group, enable_auto_commit=False
    ) as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        begins = await consumer.beginning_offsets(places)
        committed = {place: await consumer.committed(place) for place in places}
    return {place: max(0, ends[place] - (committed[place] or begins[place])) for place in places}


def _parts(cluster: _Cluster, topic: str) -> Mapping[int, Any]:
    """A topic's partitions as the metadata have them."""
    found: Mapping[int, Any] = cluster.metadata._partitions.get(topic, {})
    return found
