"""Growing: more partitions for a running system, in an order that loses and doubles nothing.

No tally ever moves: the plays of a day go home by the partitions of that day (`rules/{day}`), and a worker
that starts with another CHARTS_PARTITIONS announces it from the coming day on. What comes before is room:

1. the boards' partitions. Once every worker reads them, nothing is final any more without their heads.
2. changelog, rejected plays and plays at once, so that a partition of plays lies with its changelog.
3. one member leaves each group and comes back, so that somebody shares out what is new: members that keep
   their names (CHARTS_INSTANCE) come and go without that.
"""

import asyncio
from collections.abc import Callable

import click
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.group import LeaveGroupRequest

from charts.errors import BadRequest, Unreachable
from charts.settings import Settings, settings
from tables.boards import GROWN_MS
from tables.topics import changelog, partitions_of, topics

#: Every worker has noticed the boards' new partitions by then.
_NOTICED_S = 3 * GROWN_MS / 1000
#: Where a group's members are in what describe_consumer_groups answers.
_MEMBERS = 5

Tell = Callable[[str], None]


@click.command("grow")
@click.argument("partitions", type=click.IntRange(2, 1024))
def grow_command(partitions: int) -> None:
    """Give every topic of this log so many PARTITIONS, while everything runs.

    Then restart the workers one after another with CHARTS_PARTITIONS set to the same: plays are spread over
    them from the coming day (UTC) on. Until then those that producers already spread are forwarded home, so
    grow late in the day. Repeating it does no harm; topics never shrink.
    """
    asyncio.run(grow(settings(), partitions, click.echo))


async def grow(settings: Settings, partitions: int, tell: Tell) -> None:
    """Grow all topics of a log, in the order above."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_url)
    try:
        await admin.start()
        had = await partitions_of(admin, settings)
        if not had.keys() >= {*topics(settings), changelog(settings)}:
            raise BadRequest(f"there is no log {settings.log_id!r}: a worker makes its topics")
        if max(had.values()) > partitions:
            raise BadRequest(f"topics never shrink: there are {max(had.values())} partitions")
        boards = settings.topic("chart-boards")
        if had.pop(boards) < partitions:
            await _create(admin, [boards], partitions)
            tell(f"{boards}: {partitions} partitions; waiting until every worker reads them")
            await asyncio.sleep(_NOTICED_S)
        small = [name for name, count in had.items() if count < partitions]
        if small:
            await _create(admin, small, partitions)
            for name in small:
                tell(f"{name}: {partitions} partitions")
        for group in (settings.topic("livecharts"), settings.topic("livecharts-lake")):
            await _share_out(admin, group)
        tell(f"now restart the workers, one after another, with CHARTS_PARTITIONS={partitions}")
    except KafkaError as error:
        raise Unreachable(f"Kafka at {settings.kafka_url}: {error!r}") from error
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, names: list[str], partitions: int) -> None:
    answer = await admin.create_partitions({name: NewPartitions(partitions) for name in names})
    for name, code, message in answer.topic_errors:
        if code:
            reason = message or for_code(code).__name__
            raise Unreachable(f"{name} cannot have {partitions} partitions: {reason}")


async def _share_out(admin: AIOKafkaAdminClient, group: str) -> None:
    """Have a group's partitions assigned anew: of the members one is sent out, and comes back at once."""
    coordinator = await admin.find_coordinator(group)
    for answer in await admin.describe_consumer_groups([group], group_coordinator_id=coordinator):
        members = [member for found in answer.groups for member in found[_MEMBERS]]
        for member_id, *_ in members[:1]:
            # aiokafka's admin has no call for it.
            await admin._send_request_to_node(coordinator, LeaveGroupRequest(group, member_id))
