"""Recovery asks Kafka until it is answered: it neither ends with its patience nor with an error."""

import asyncio
from collections import Counter
from typing import Any

import faust
import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, TopicAuthorizationFailedError
from faust.tables.recovery import RebalanceAgain, ServiceStopped
from faust.tables.recovery import Recovery as FaustsRecovery
from faust.types import TP

from agents.recovery import Recovery, TableManager

PLACES = {TP("changelog", 0), TP("changelog", 1)}


class Consumer:
    """Knows the offsets, and tells them from the second time on."""

    def __init__(self, error: KafkaError | None = None) -> None:
        self.asked = 0
        self.error = error or KafkaTimeoutError("the broker is away")

    async def highwaters(self, *places: TP) -> dict[TP, int]:
        self.asked += 1
        if self.asked == 1:
            raise self.error
        return dict.fromkeys(places, 8)

    async def earliest_offsets(self, *places: TP) -> dict[TP, int]:
        return {place: offset - 3 for place, offset in (await self.highwaters(*places)).items()}


@pytest.fixture
async def recovery() -> Recovery:
    app = faust.App("recovery", broker="kafka://127.0.0.1:1", TableManager="agents.recovery:TableManager")
    assert isinstance(app.tables, TableManager)
    assert isinstance(app.tables.recovery, Recovery)
    return app.tables.recovery


async def test_what_takes_long_is_waited_for(recovery: Recovery) -> None:
    answered: list[Any] = []

    async def answer() -> None:
        await asyncio.sleep(0.1)
        answered.append(True)

    # Why we have our own: were this mended in Faust, ours could go.
    with pytest.raises(ServiceStopped):
        await FaustsRecovery._wait(recovery, answer(), timeout=0.01)
    await recovery._wait(answer(), timeout=0.01)
    assert answered == [True]


async def test_another_rebalance_still_interrupts(recovery: Recovery) -> None:
    waiting = asyncio.ensure_future(recovery._wait(asyncio.sleep(60), timeout=0.01))
    await asyncio.sleep(0.05)
    recovery.signal_recovery_start.set()
    with pytest.raises(RebalanceAgain):
        await asyncio.wait_for(waiting, 5)


async def test_offsets_are_asked_for_again(recovery: Recovery) -> None:
    found: Counter[TP] = Counter()
    await recovery._build_highwaters(Consumer(), PLACES, found, "standby")
    assert found == dict.fromkeys(PLACES, 7)
    found = Counter()
    await recovery._build_offsets(Consumer(), PLACES, found, "standby")
    assert found == dict.fromkeys(PLACES, 4)


async def test_a_broker_that_hangs_up_is_asked_again(recovery: Recovery) -> None:
    found: Counter[TP] = Counter()
    await recovery._build_highwaters(Consumer(KafkaConnectionError()), PLACES, found, "active")
    assert found == dict.fromkeys(PLACES, 7)


async def test_what_waiting_does_not_mend_is_said(recovery: Recovery) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await recovery._build_highwaters(
            Consumer(TopicAuthorizationFailedError()), PLACES, Counter(), "active"
        )
