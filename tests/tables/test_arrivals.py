"""Arrivals: a run that leaves something out is no reason to believe that it is gone."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from faust.types import TP

from charts.run import Run
from charts.verdict import Rulebook, Rules
from tables.arrivals import Arrivals
from tables.partition import Partition

TOPIC = "plays"
END = 100


class Log:
    """What a consumer says of a partition's log, and where it was sent."""

    def __init__(self) -> None:
        self.begins = 0
        self.seeks: list[int] = []
        self._thread = SimpleNamespace(_consumer=self)

    async def earliest_offsets(self, place: TP) -> dict[TP, int]:
        await asyncio.sleep(0)
        return {place: self.begins}

    async def seek_wait(self, wanted: dict[TP, int]) -> None:
        self.seeks += wanted.values()

    def highwater(self, place: TP) -> int:
        return END

    def last_poll_timestamp(self, place: TP) -> int:
        return round(time.time() * 1000)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def part() -> Partition:
    part = Partition(0, None, 10, duplicates=False)
    part.accepting, part.expected = True, 10
    return part


@pytest.fixture
def arrivals(log: Log, part: Partition) -> Arrivals:
    async def give_up(error: BaseException) -> None:
        raise error

    boards = SimpleNamespace(has_rules=True, book=Rulebook.of({0: Rules(partitions=1)}))
    app = SimpleNamespace(consumer=log)
    return Arrivals(app, TOPIC, {0: part}, boards, most_rows=50, give_up=give_up)  # type: ignore[arg-type]


def a_run(start: int, end: int) -> Run:
    return Run.nothing(0, start, end)


async def test_what_is_missing_is_read_again_whatever_comes_behind_it(
    arrivals: Arrivals, log: Log, part: Partition
) -> None:
    for _ in range(4):
        await arrivals.take(a_run(20, 30))
        await arrivals.take(a_run(30, 40))
    assert (part.expected, set(log.seeks)) == (10, {10})
    await arrivals.take(a_run(10, 20))
    await arrivals.take(a_run(20, 30))
    assert part.expected == 30


async def test_what_retention_took_is_gone_and_no_more(arrivals: Arrivals, log: Log, part: Partition) -> None:
    log.begins = 15
    await arrivals.take(a_run(20, 30))
    assert (part.expected, log.seeks) == (10, [15])
    await arrivals.take(a_run(15, 20))
    assert part.expected == 20


async def test_what_is_never_there_is_passed_after_some_looks(
    arrivals: Arrivals, log: Log, part: Partition
) -> None:
    looks = 0
    while part.expected == 10:
        looks += 1
        await arrivals.take(a_run(20, 30))
        if part.expected == 10:
            await arrivals.take(a_run(30, 40))
    assert (looks, part.expected) == (5, 30)


async def test_what_is_passed_over_meanwhile_is_asked_for_no_more(
    arrivals: Arrivals, log: Log, part: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def meanwhile(place: TP) -> dict[TP, int]:
        part.expected = 20
        return {place: 0}

    monkeypatch.setattr(log, "earliest_offsets", meanwhile)
    await arrivals.take(a_run(20, 30))
    assert (part.expected, log.seeks) == (30, [])


async def test_who_flushes_waits_for_no_room(
    arrivals: Arrivals, log: Log, part: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Partition(1, None, 10, duplicates=False)
    full.expected = END
    arrivals.owned[1] = full
    arrivals._last_arrival[0] = time.monotonic() - 60
    log.begins = END

    async def meanwhile(place: TP) -> dict[TP, int]:
        full.pending_rows = arrivals.most_rows
        return {place: END}

    with monkeypatch.context() as patch:
        patch.setattr(log, "earliest_offsets", meanwhile)
        async with asyncio.timeout(5):
            await arrivals.pass_over_deleted()
    assert part.expected == 10
    full.pending_rows = 0
    await arrivals.pass_over_deleted()
    assert part.expected == END
