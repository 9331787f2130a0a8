"""The topics of one log: what they are called, how they are kept, and that they exist."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from charts.errors import BadSettings, Unreachable
from charts.settings import Settings
from charts.window import DAY_MS

_TIMEOUT_MS = 10_000
#: A topic is the controller's first: the brokers hear of it a moment later, on a busy machine some moments.
_HEARD_S, _GLANCE_S = 30.0, 0.05

#: A zombie's older record must not be all that compaction leaves, so nothing is compacted on its first day.
COMPACTED = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(DAY_MS),
    "compression.type": "producer",
}

#: A board is one record, of at most 1,000 tracks with names in any letters: 2.1 MB. Kafka would take 1 MiB.
LARGE = {"max.message.bytes": str(4 << 20)}

#: Simulated records are of any time; Kafka would refuse those an hour ahead, and delete those a week old.
SIMULATED = {
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": str((1 << 63) - 1),
    "retention.ms": "-1",
}


def topics(settings: Settings) -> dict[str, Mapping[str, str]]:
    """The topics we create, with their configuration; the changelog is Faust's to create."""
    wall = settings.clock == "wall"
    return {
        settings.topic("song-plays"): {"message.timestamp.type": "LogAppendTime"} if wall else SIMULATED,
        settings.topic("song-plays-rejected"): {} if wall else SIMULATED,
        settings.topic("chart-boards"): COMPACTED | LARGE,
    }


def changelog(settings: Settings) -> str:
    """The tally's changelog, as Faust names it."""
    return f"{settings.topic('livecharts')}-tally-changelog"


async def partitions_of(admin: AIOKafkaAdminClient, settings: Settings) -> dict[str, int]:
    """How many partitions each topic of this log has; those that are missing are left out."""
    ours = {*topics(settings), changelog(settings)}
    # Of all topics: a topic that is asked for by its name is made by asking.
    found = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    return {name: count for name, count in found.items() if name in ours and count}


async def create_topics(settings: Settings) -> None:
    """Create what is missing; refuse what is too small, and plays whose senders could bend time."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_url, request_timeout_ms=_TIMEOUT_MS)
    try:
        await admin.start()
        for name, config in topics(settings).items():
            await _create(
                admin, NewTopic(name, settings.partitions, settings.replication, topic_configs=config)
            )
        for name, count in (await _heard_of(admin, settings)).items():
            if count < settings.partitions:
                raise BadSettings(
                    f"{name} has {count} partitions, and CHARTS_PARTITIONS is {settings.partitions}: "
                    f"`charts grow {settings.partitions}` comes first"
                )
        if settings.clock == "wall" and settings.broker != "tansu":
            await _refuse_sender_time(admin, settings.topic("song-plays"))
    except KafkaError as error:
        raise Unreachable(f"Kafka at {settings.kafka_url}: {error!r}") from error
    finally:
        await admin.close()


async def _heard_of(admin: AIOKafkaAdminClient, settings: Settings) -> dict[str, int]:
    """The partitions of each topic, once the brokers tell of all that we create."""
    deadline = monotonic() + _HEARD_S
    while missing := topics(settings).keys() - (found := await partitions_of(admin, settings)):
        if monotonic() > deadline:
            raise Unreachable(f"Kafka at {settings.kafka_url} tells of no {', '.join(sorted(missing))}")
        await asyncio.sleep(_GLANCE_S)
    return found


async def _create(admin: AIOKafkaAdminClient, topic: NewTopic) -> None:
    try:
        answer = await admin.create_topics([topic])
    except TopicAlreadyExistsError:
        return
    for _, code, *rest in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise Unreachable(f"topic {topic.name} cannot be created: {rest or code}")


async def _refuse_sender_time(admin: AIOKafkaAdminClient, topic: str) -> None:
    """With CHARTS_CLOCK=wall stream time must be the broker's."""
    answers: Any = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    resources = [found for answer in answers for found in answer.resources]
    for code, *_ in resources:
        if code:
            # Nothing was said of its time: a broker that has not heard of it yet, or does not let us ask.
            raise for_code(code)(topic)
    values = {entry[0]: entry[1] for found in resources for entry in found[4]}
    if values.get("message.timestamp.type") != "LogAppendTime":
        raise BadSettings(
            f"{topic} takes its senders' timestamps: set message.timestamp.type=LogAppendTime, "
            "or CHARTS_CLOCK=log for a simulation"
        )
