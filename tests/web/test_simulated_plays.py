"""The simulator through the front door: every play arrives once, or the sender says so."""

import asyncio
from collections import Counter

import pytest

from charts.errors import Unreachable
from simulator.drive import Pace, Progress, drive
from simulator.listeners import Listeners
from simulator.post import HttpSender
from simulator.truth import Limits, Truth
from simulator.world import World, regions_of
from tests.web.conftest import Desk
from tests.web.fed_boards import FedBoards
from tests.web.test_plays import posting, read_log

LIMITS = Limits(7_200_000, 300_000, 30_000)
WORLD = World(step_ms=20, tracks=200, partitions=3, regions=regions_of("DE"))


async def test_plays_posted_are_the_plays_of_the_truth(
    desk: Desk, boards: FedBoards, kafka: str, topic_name: str
) -> None:
    truth = Truth(LIMITS, WORLD.partitions)
    async with posting(desk, boards, kafka, topic_name.rsplit("-", 1)[1]) as (session, settings):
        async with HttpSender(str(session._base_url), desk.key) as sender:
            pace = Pace(None, batch=3_000)
            listeners = Listeners(WORLD)
            await drive(listeners, sender, pace, Progress(), asyncio.Event(), total=7_500, truth=truth)
            assert (sender.sent, sender.failed) == (7_500, 0), sender.failure
        found = await read_log(settings)
    assert truth.ledger == {"counted": 7_500}
    plays = [value for _, _, value in found]
    assert len({play["play_id"] for play in plays}) == len(plays) == 7_500
    told = sum(
        (chart for (region, kind, _), chart in truth.charts().items() if (region, kind) == ("DE", "day")),
        Counter(),
    )
    assert Counter(play["track_id"] for play in plays) == told
    assert Counter(partition for partition, _, _ in found) == {
        partition: len(verdicts) for partition, verdicts in enumerate(truth.verdicts)
    }


async def test_a_refused_token_ends_the_sending(desk: Desk) -> None:
    piece = next(Listeners(WORLD).records(10))
    async with HttpSender(desk.address, "no such key") as sender:
        await sender.send(piece)
        with pytest.raises(Unreachable, match="refuses the token: 401"):
            await sender.flush()


async def test_plays_the_site_cannot_take_are_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """This site has no way to Kafka: 503, tried again, then counted as failed."""
    monkeypatch.setattr("simulator.post._RETRY_S", 0.001)
    async with HttpSender(desk.address, desk.key) as sender:
        await sender.send(next(Listeners(WORLD).records(2_500)))
        await sender.flush()
        assert (sender.sent, sender.failed) == (0, 2_500)
        assert sender.failure is not None and sender.failure.startswith("503")
