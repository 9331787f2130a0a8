"""The flush on a real broker: what a zombie wrote over is written again, whoever finds it."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from charts.finality import Finality
from charts.head import Head
from charts.intake import take_in
from charts.landing import Taken
from charts.play import Play
from charts.run import Run
from charts.settings import Settings
from charts.tally import fence_of, key_of
from charts.verdict import Rulebook, Rules
from charts.window import HOUR_MS
from tables import flush, tally_keys
from tables.boards import Boards
from tables.changelog import pack, runs_between, send
from tables.flush import Abandoned, Flusher
from tables.partition import Partition
from tables.recovery import apply_run, claimed, overwritten
from tables.rocks import RocksOptions
from tables.tally import Tally
from tables.topics import create_topics
from tests.brokers import SETTING, whole_ends

HOUR = 400_000
BOOK = Rulebook.of({0: Rules(partitions=1)})
KEY = key_of(HOUR // 24, b"track")


class Owner:
    """A partition, its flusher, and its changelog."""

    def __init__(self, settings: Settings, changelog: str, producer: AIOKafkaProducer, folder: Path) -> None:
        self.settings = settings
        self.changelog = changelog
        self.producer = producer
        self.is_stopping = False
        self.db = RocksOptions().open(folder)
        self.flusher = Flusher(
            settings,
            Boards(settings),
            changelog,
            producer=lambda: producer,
            is_leaving=lambda: False,
            is_stopping=lambda: self.is_stopping,
            read_to=lambda number: (0, 0),
        )
        self.part = Partition(0, self.db, 10, duplicates=True)

    async def recover(self, end: int) -> None:
        if end:
            async for run in runs_between(self.settings.kafka_url, self.changelog, 0, 0, end):
                apply_run(self.db, run)
        self.part.load()

    async def count(self, *plays: str) -> None:
        """Count one play of a track after another, and flush."""
        start = self.part.marker.applied + 1
        offsets, stamps = np.arange(start, start + len(plays)), np.full(len(plays), HOUR * HOUR_MS)
        values = [
            Play(f"p{start + row}", "u", track, "DE", HOUR * HOUR_MS, 60_000).encode()
            for row, track in enumerate(plays)
        ]
        if plays:
            run = Run(0, start, start + len(plays), values, offsets, stamps)
            self.part.take(Taken.of(take_in(run, self.part.time_read, BOOK)))
        await self.flusher.flush(self.part)

    async def zombie_writes(self, key: bytes, value: bytes) -> None:
        await send(self.producer, self.changelog, 0, pack([(key, value)], 0))

    async def last_record(self, key: bytes) -> bytes | None:
        """What compaction would leave of a key."""
        found = None
        end = self.part.changelog_next or 0
        async for run in runs_between(self.settings.kafka_url, self.changelog, 0, 0, end):
            for name, value in zip(run.keys, run.values, strict=True):
                found = value if name == key else found
        return found


@pytest.fixture
async def new_owner(kafka: str, topic_name: str, tmp_path: Path) -> AsyncIterator[Callable[[str], Owner]]:
    settings = Settings(
        kafka_url=kafka, broker=SETTING, clock="log", log_id=topic_name[-16:], partitions=1, data_dir=tmp_path
    )
    with whole_ends():
        await create_topics(settings)
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        await admin.create_topics([NewTopic(topic_name, 1, 1)])
        await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            yield lambda name: Owner(settings, topic_name, producer, tmp_path / name)


async def test_a_foreign_write_is_noticed_and_written_over(
    new_owner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    owner = new_owner("owner")
    owner.part.load()
    await owner.count("track")
    older = owner.db[KEY]
    await owner.count("track")
    await owner.zombie_writes(KEY, older)
    foreign = owner.part.changelog_next
    await owner.count("other")
    assert await owner.last_record(KEY) == older
    [told] = [record for record in caplog.records if "foreign writes" in record.message]
    assert (told.partition, told.first_offset, told.last_offset) == (0, foreign, foreign)
    await owner.count("other")
    assert await owner.last_record(KEY) == owner.db[KEY] != older


async def test_a_crash_between_noticing_and_writing_over_forgets_nothing(new_owner: Any) -> None:
    """Neither an heir with a folder of its own, nor the one who comes back to a folder that claims less."""
    owner = new_owner("owner")
    owner.part.load()
    await owner.count("track")
    older = owner.db[KEY]
    await owner.count("track")
    await owner.zombie_writes(KEY, older)
    await owner.count("other")
    assert owner.part.rewrite == {KEY}
    heir = new_owner("heir")
    await heir.recover(owner.part.changelog_next)
    assert overwritten(heir.db) == {KEY}
    await heir.count()
    assert fence_of(await heir.last_record(KEY)) == 1
    assert not overwritten(heir.db)
    owner.part = Partition(0, owner.db, 10, duplicates=True)
    await owner.recover(heir.part.changelog_next)
    assert not overwritten(owner.db)


async def test_a_silent_partition_finds_out_too(new_owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = new_owner("owner")
    owner.part.load()
    await owner.count("track")
    older = owner.db[KEY]
    await owner.count("track")
    await owner.zombie_writes(KEY, older)
    await owner.count()
    assert not owner.part.rewrite, "nothing was written, so nothing was seen"
    monkeypatch.setattr(flush, "_SILENT_S", 0.0)
    await owner.count()
    assert owner.part.rewrite == {KEY}
    await owner.count()
    assert await owner.last_record(KEY) == owner.db[KEY]
    assert await owner.last_record(tally_keys.MARKER) == owner.part.marker.encode()


async def test_no_head_speaks_for_boards_an_earlier_owner_left(new_owner: Any) -> None:
    """It may have died between a marker and its boards: those that are out are older then."""
    owner = new_owner("owner")
    owner.part.load()
    await owner.count("track")
    heir = new_owner("heir")
    await heir.recover(owner.part.changelog_next)
    sent: list[list[bytes]] = []
    send_on = heir.flusher.publisher.send_batches

    async def noted(producer: Any, partition: int, batches: list[Any]) -> None:
        sent.append(batches)
        await send_on(producer, partition, batches)

    heir.flusher.publisher.send_batches = noted
    await heir.flusher.tell(heir.part)
    assert sent == []
    await heir.count()
    assert len(sent) == 2, "boards, then the head"
    await heir.flusher.tell(heir.part)
    assert len(sent) == 3


async def test_the_head_of_an_heir_is_heeded(new_owner: Any) -> None:
    """Where nothing came for a while, the clock of the last owner was the wall's."""
    owner = new_owner("owner")
    owner.part.load()
    await owner.count("track")
    owner.part.clock += HOUR_MS
    known = Head.decode(owner.flusher.publisher.head(owner.part, owner.part.marker, 0, 0)[1])
    heir = new_owner("heir")
    await heir.recover(owner.part.changelog_next)
    heir.part.go_on_from(known)
    told = Head.decode(heir.flusher.publisher.head(heir.part, heir.part.marker, 0, 0)[1])
    finality = Finality()
    finality.update(known)
    finality.update(replace(told, owner="heir"))
    assert finality.heads[0].owner == "heir"


async def test_what_an_earlier_assignment_began_writes_nothing_any_more(
    new_owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, heir = new_owner("owner"), new_owner("heir")
    owner.part.load()
    await owner.count("track")
    end = owner.part.changelog_next
    monkeypatch.setattr("tables.tally.runs_between", functools.partial(read_slowly, again := Again()))
    again._turn, again.settings, again.changelog_topic_name = 1, owner.settings, owner.changelog
    with pytest.raises(Abandoned):
        await Tally._catch_up(again, 0, heir.db, end, 1)
    assert claimed(heir.db) == -1


class Again:
    """What `_catch_up` asks of its tally."""

    _turn: int
    settings: Settings
    changelog_topic_name: str


async def read_slowly(tally: Again, *place: Any) -> AsyncIterator[Any]:
    """A run, and the next rebalance while it was read."""
    async for run in runs_between(*place):
        tally._turn += 1
        yield run


async def test_who_stops_waits_for_no_broker_that_hangs(
    new_owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, and for what is answered at once, as long as it takes."""
    monkeypatch.setattr(flush, "_LAST_S", 0.5)
    owner = new_owner("one")
    hanging = asyncio.ensure_future(owner.flusher.until_sent(asyncio.Event().wait))
    await asyncio.sleep(3)
    assert not hanging.done()
    owner.is_stopping = True
    with pytest.raises(Abandoned):
        await asyncio.wait_for(hanging, 60)
    assert await owner.flusher.until_sent(lambda: asyncio.sleep(0, "sent")) == "sent"
