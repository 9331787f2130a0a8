"""Nothing of the bench stays on a broker, and the contenders only Apache Kafka can hold give the truth."""

import asyncio
from pathlib import Path

import pytest

from bench.brokers import Broker, create_topic, given, topics
from bench.changelog import changelog_bytes
from bench.contest import run
from bench.dataset import Spec, fill
from bench.field import FIELD, PEERS
from charts.errors import Unreachable
from tests.brokers import on_apache

PLAYS = 5_000


async def test_topics_on_a_broker_that_was_there_are_deleted(kafka: str, tmp_path: Path) -> None:
    def measure() -> Broker:
        with given(kafka).one(tmp_path) as broker:
            asyncio.run(create_topic(broker, f"{broker.mark}-plays", 2))
            asyncio.run(create_topic(broker, f"changelog__{broker.mark}-another", 1))
            assert len(asyncio.run(topics(broker, broker.mark))) == 2
        return broker

    broker = await asyncio.to_thread(measure)
    assert await topics(broker, broker.mark) == []


async def test_a_topic_that_is_there_is_not_taken_for_ours(kafka: str, topic_name: str) -> None:
    broker = Broker(kafka, "kafka", topic_name)
    await create_topic(broker, topic_name, 1)
    with pytest.raises(Unreachable, match=topic_name):
        await create_topic(broker, topic_name, 1)


@on_apache
@pytest.mark.parametrize("name", ["kafka streams", "kafka streams at least once", "quix"])
def test_it_gives_the_truth(kafka: str, tmp_path: Path, name: str) -> None:
    contender = next(contender for contender in FIELD if contender.name == name)
    if name == "quix" and not PEERS.exists():
        pytest.skip("the peers are not installed: make bench-quick")
    with given(kafka).one(tmp_path) as broker:
        data = fill(broker, Spec(PLAYS, tracks=500))
        result = run(contender, data, tmp_path / "run")
        assert result.plays == PLAYS
        assert result.changelog_bytes
        assert changelog_bytes(broker, "nobody") is None
