"""The raw zone: every record once, however often workers die, sleep and wake.

Legal after any storm: the full files of a partition follow on each other without a gap and hold each record
once; the longest tail holds the rest, as far as it was flushed.
"""

import asyncio
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charts import chunk
from charts.chunk import part
from charts.errors import BrokenInvariant
from charts.run import Run
from tables import lake as lake_module
from tables.folder import Folder
from tables.lake import Lake
from tables.patience import PatientStore
from tables.store import Body, Store
from tests.lake.made import BOOK, a_log, raw_offsets

LOG = "main"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk, "CHUNK_OFFSETS", 50)


def a_lake(store: Store) -> Lake:
    return Lake(PatientStore(store), LOG, lambda: BOOK)


async def finish(lake: Lake) -> None:
    """A clean stop."""
    await lake.drain()
    lake.write_tails()
    await lake.drain()
    await lake.close()


async def live(lake: Lake, log: Run, start: int, chance: random.Random, runs: int) -> int:
    """A worker's life: read on from an offset, some runs of any size, a tail now and then."""
    for _ in range(runs):
        rest = log.after(start)
        if not len(rest):
            break
        run = part(rest, 0, min(len(rest), chance.randint(1, 80)))
        wanted = await lake.take(run)
        start = wanted if wanted is not None else run.next
        if chance.random() < 0.3:
            lake.write_tails()
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    return start


@given(st.integers(0, 2**32), st.integers(0, 6))
@settings(max_examples=30, deadline=None)
def test_after_any_crashes_every_record_is_there_once(seed: int, crashes: int) -> None:
    chance = random.Random(seed)
    log = a_log(chance.randint(1, 400), seed)

    async def storm(store: Store) -> None:
        committed = 0
        zombies: list[tuple[Lake, int]] = []
        for _ in range(crashes):
            lake = a_lake(store)
            at = await live(lake, log, committed, chance, chance.randint(0, 8))
            committed = lake.committable().get(0, committed)
            if chance.random() < 0.4:
                zombies.append((lake, at))
            else:
                await lake.close()
        last = a_lake(store)
        await live(last, log, committed, chance, 10_000)
        for zombie, at in zombies:
            # It wakes, believes the partition still its own, and writes what it can.
            await live(zombie, log, at, chance, chance.randint(1, 5))
            await finish(zombie)
        await finish(last)
        full, tail = await raw_offsets(store, LOG)
        assert full + tail == log.offsets.tolist()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(storm(Folder.at(folder)))


async def test_a_fresh_worker_goes_on_where_the_store_ends(store: Store) -> None:
    log = a_log(170, 3, step_ms=1_000)
    first = a_lake(store)
    assert await first.take(log) is None
    await first.drain()
    assert first.committable() == {0: int(log.offsets[log.offsets >= 150][0])}
    await first.close()
    second = a_lake(store)
    # The group believes it is further than the store: the store is right.
    assert await second.take(log.after(165)) == int(log.offsets[log.offsets >= 150][0])
    assert await second.take(log) is None
    await finish(second)
    full, tail = await raw_offsets(store, LOG)
    assert full + tail == log.offsets.tolist()


async def test_records_the_log_has_lost_leave_a_gap_and_no_standstill(store: Store) -> None:
    log = a_log(120, 4, step_ms=1_000)
    lake = a_lake(store)
    assert await lake.take(part(log, 0, 20)) is None
    rest = part(log, 60, 120)
    wanted = await lake.take(rest)
    assert wanted == int(log.offsets[19]) + 1
    lake.skip(0, rest.start)
    assert await lake.take(rest) is None
    await finish(lake)
    full, tail = await raw_offsets(store, LOG)
    assert full + tail == [*log.offsets[:20].tolist(), *log.offsets[60:].tolist()]


async def test_a_file_that_says_something_else_stops_the_worker(store: Store) -> None:
    log = a_log(120, 5, step_ms=1_000)
    other = a_lake(store)
    await other.take(part(log, 0, 60))
    await other.drain()
    await other.close()
    # The same offsets, from another log under the same id.
    lake = a_lake(store)
    lake._lanes[0] = await a_lake_that_believes_in_nothing(lake)
    await lake.take(part(a_log(120, 6, step_ms=3_000), 0, 60))
    with pytest.raises(BrokenInvariant, match="but the log says"):
        await lake.drain()
    await lake.close()


async def a_lake_that_believes_in_nothing(lake: Lake) -> object:
    """A lane as it was before anything was written: a zombie's."""
    empty = Path(tempfile.mkdtemp())
    before, lake._zone.store = lake._zone.store, Folder.at(str(empty))
    try:
        return await lake._open(0)
    finally:
        lake._zone.store = before


async def test_a_store_that_is_away_holds_the_reader_back_and_loses_nothing(tmp_path: Path) -> None:
    root = tmp_path / "lake"
    store = PatientStore(Folder.at(str(root)))
    lake = Lake(store, LOG, lambda: BOOK)
    log = a_log(900, 7, step_ms=1_000)
    await lake.take(part(log, 0, 10))
    moved = root.rename(tmp_path / "away")
    root.write_text("no folder")
    reading = asyncio.create_task(lake.take(part(log, 10, 900)))
    async with asyncio.timeout(60):
        while not store.away_s:
            await asyncio.sleep(0.01)
    assert not reading.done()
    assert "Not a directory" in store.why
    root.unlink()
    moved.rename(root)
    assert await reading is None
    await finish(lake)
    assert store.away_s == 0
    full, tail = await raw_offsets(store, LOG)
    assert full + tail == log.offsets.tolist()


class Gated(Folder):
    """A folder that takes full files only when it is told to, and says in which order it took anything."""

    opened: asyncio.Event
    order: list[str]

    async def put_new(self, key: str, body: Body) -> bool:
        await self.opened.wait()
        self.order.append("full")
        return await super().put_new(key, body)

    async def put(self, key: str, body: Body) -> None:
        self.order.append("tail")
        await super().put(key, body)


async def test_no_tail_is_written_before_a_full_file_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tail beyond a hole would say that the raw zone has what it has not."""
    monkeypatch.setattr(lake_module, "CHUNKS_WAITING", 1)
    store = Gated.at(str(tmp_path))
    store.opened, store.order = asyncio.Event(), []
    lake = a_lake(store)
    log = a_log(120, 8, step_ms=1_000)
    reading = asyncio.create_task(lake.take(log))
    async with asyncio.timeout(60):
        while 0 not in lake._lanes or not lake._lanes[0].held:
            await asyncio.sleep(0.01)
    lake.write_tails()
    store.opened.set()
    assert await reading is None
    await finish(lake)
    assert store.order == ["full", "full", "tail"]
    full, tail = await raw_offsets(store, LOG)
    assert full + tail == log.offsets.tolist()
