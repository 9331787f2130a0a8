"""Trails: what became of a play is told from the lake, whoever's memory has passed."""

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from agents.curate import Curator
from charts.errors import Unreachable
from charts.home import home_of
from charts.selection import Basis, counted_in
from charts.settings import Settings
from charts.verdict import Rules, Verdict
from charts.window import DAY_MS, HOUR_MS
from tables import lookup, trail
from tables.bloom import may_hold, xxh64
from tables.history import History
from tables.jobs import Jobs
from tables.late import LateIndex
from tables.lookup import Lookups
from tables.postgres import Database
from tables.replay import Plan, Replay
from tables.store import Store
from tables.trail import Step, Trails
from tables.zone import Zone
from tests.lake.made import T0
from tests.lake.scene import BOOK, LOG, PARTITIONS, TRACKS, Scene, truth_of
from tests.lake.test_audit import charts_of

TRACK = TRACKS[0]
HOME = home_of(TRACK, PARTITIONS)
HOUR = T0 // HOUR_MS
SPAN = counted_in(HOUR, BOOK.rules[0])


def filter_of(texts: list[str]) -> bytes:
    """The filter of a file with these ids, as pyarrow writes it."""
    sink = pa.BufferOutputStream()
    options = {"id": {"ndv": len(texts), "fpp": 0.01}}
    pq.write_table(pa.table({"id": texts}), sink, bloom_filter_options=options)
    body = sink.getvalue().to_pybytes()
    column = pq.read_metadata(pa.BufferReader(body)).row_group(0).column(0)
    return body[column.bloom_filter_offset : column.bloom_filter_offset + column.bloom_filter_length]


@given(st.lists(st.text(max_size=90), min_size=1, max_size=50))
def test_what_is_in_a_file_is_never_denied(texts: list[str]) -> None:
    written = filter_of(texts)
    assert all(may_hold(written, text) for text in texts)


def test_a_filter_denies_nearly_all_others() -> None:
    written = filter_of([secrets.token_hex(16) for _ in range(50_000)])
    assert sum(may_hold(written, secrets.token_hex(16)) for _ in range(5_000)) < 150


def test_the_hash_is_xxh64() -> None:
    assert xxh64(b"") == 0xEF46DB3751D8E999
    assert xxh64(b"abc") == 0x44BC2CF5AD770999
    assert xxh64(b"Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1


async def nothing_curated(hour: int) -> Basis | None:
    return None


async def found(store: Store, play_id: str, *spans: range, track_id: str = TRACK) -> list[Step]:
    return await Trails(store, BOOK, nothing_curated).find(track_id, play_id, spans or (SPAN,))


def told(steps: list[Step]) -> list[tuple[int, int, str, bool]]:
    return [(step.partition, step.offset, step.verdict.name, step.counts) for step in steps]


async def test_every_record_of_a_play_is_told(store: Store) -> None:
    scene = Scene()
    for number in range(200):
        scene.send(T0 + number, track_id=TRACK, play_id=f"other-{number}")
    first = scene.send(T0 + 1_000, track_id=TRACK, play_id="twice", album="A", device="x")
    again = scene.send(T0 + 2_000, track_id=TRACK, play_id="twice", region="SE")
    short = scene.send(T0 + 3_000, track_id=TRACK, play_id="short", ms_played=29_999)
    away = scene.send(T0 + 4_000, 1 - HOME, track_id=TRACK, play_id="away")
    short_away = scene.send(T0 + 5_000, 1 - HOME, track_id=TRACK, play_id="short away", ms_played=1)
    late = scene.send(T0 + 3 * HOUR_MS, track_id=TRACK, play_id="late", played_at=T0 - 1)
    scene.tick(T0 + 5 * HOUR_MS)
    grown = scene.send(T0 + 5 * HOUR_MS + 1, track_id=TRACK, play_id="growing")
    await scene.keep(store)

    steps = await found(store, "twice")
    assert told(steps) == [(*first, "counted", True), (*again, "duplicate", False)]
    assert steps[0].play.fields() == {
        **{"play_id": "twice", "user_id": "u", "track_id": TRACK, "region": "US", "played_at": T0 + 1_000},
        **{"ms_played": 60_000, "title": "as played", "album": "A", "device": "x"},
    }
    assert steps[0].log == LOG
    assert told(await found(store, "short")) == [(*short, "short", False)]
    (home,) = await found(store, "away")
    assert (home.partition, home.verdict, home.counts) == (HOME, Verdict.counted, True)
    assert away[0] != home.partition
    assert told(await found(store, "short away")) == [(*short_away, "short", False)]
    assert told(await found(store, "late", range(HOUR + 3, HOUR + 4))) == [(*late, "late", False)]
    assert told(await found(store, "growing", range(0))) == [(*grown, "counted", True)]
    assert await found(store, "twice", track_id=TRACKS[1]) == []
    assert await found(store, "never") == []


async def test_the_hour_of_a_play_is_part_of_its_identity(folder: Store) -> None:
    scene = Scene()
    first = scene.send(T0, track_id=TRACK, play_id="p")
    second = scene.send(T0 + HOUR_MS, track_id=TRACK, play_id="p")
    scene.tick(T0 + 9 * HOUR_MS)
    await scene.keep(folder)
    assert told(await found(folder, "p")) == [(*first, "counted", True), (*second, "counted", True)]


async def test_most_files_are_not_read(folder: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    for hour in range(20):
        for number in range(40):
            scene.send(T0 + hour * HOUR_MS + number, track_id=TRACK, play_id=f"{hour}-{number}")
    scene.tick(T0 + 21 * HOUR_MS)
    await scene.keep(folder)
    read: list[str] = []
    get = folder.get

    async def noted(key: str) -> bytes:
        read.append(key)
        return await get(key)

    monkeypatch.setattr(folder, "get", noted)
    assert len(await found(folder, "7-7", range(HOUR, HOUR + 30))) == 1
    assert len(read) <= 3


async def test_a_growing_file_that_is_replaced_meanwhile_is_found_again(
    folder: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    scene.send(T0, track_id=TRACK, play_id="p")
    await scene.keep(folder)
    get_end = folder.get_end
    looks = 0

    async def replaced(key: str, size: int) -> bytes:
        nonlocal looks
        looks += 1
        if looks == 1:
            scene.send(T0 + 1, track_id=TRACK, play_id="q")
            await folder.delete(key)
            await scene.keep(folder)
        return await get_end(key, size)

    monkeypatch.setattr(folder, "get_end", replaced)
    (step,) = await found(folder, "p")
    assert (step.verdict, looks > 1) == (Verdict.counted, True)


async def test_a_sender_that_repeats_itself_for_ever_has_the_first(
    folder: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "_TOLD", 5)
    scene = Scene()
    for number in range(50):
        scene.send(T0 + number, track_id=TRACK, play_id="p")
    await scene.keep(folder)
    steps = await found(folder, "p")
    assert [step.offset for step in steps] == [0, 1, 2, 3, 4]
    assert [step.verdict.name for step in steps] == ["counted", *["duplicate"] * 4]


async def test_days_of_late_plays_may_make_a_footer_of_any_size(store: Store) -> None:
    scene = Scene()
    for day in range(12_000):
        scene.send(T0, track_id=TRACK, play_id=f"p{day}", played_at=T0 - DAY_MS - day * DAY_MS)
    await scene.keep(store)
    zone = Zone(store, LOG)
    (name,) = await zone.growing(await zone.tails())
    assert len((await zone.footer(name)).late) == 12_000
    assert [step.verdict.name for step in await found(store, "p7000")] == ["late"]


async def test_what_revisions_say_is_told(folder: Store, database: Database) -> None:
    scene = Scene()
    late = scene.send(T0 + 30 * HOUR_MS, track_id=TRACK, play_id="late", played_at=T0 + 5)
    scene.send(T0 + 30 * HOUR_MS + 1, track_id=TRACK, play_id="late", played_at=T0 + 5)
    # Sent before all of it, so that the log's first hour is the play's own.
    early = Scene()
    short = early.send(T0, track_id=TRACK, play_id="short", ms_played=20_000)
    counted = early.send(T0 + 1, track_id=TRACK, play_id="counted", ms_played=40_000)
    for partition in range(PARTITIONS):
        early.values[partition] += scene.values[partition]
        early.stamps[partition] += scene.stamps[partition]
    late = (late[0], late[1] + 2)
    early.tick(T0 + 60 * HOUR_MS)
    await early.keep(folder)
    heads = early.heads()
    curator = Curator(folder, database, heads, log_id=LOG, top_n=10)
    await curator.curate_due()
    await History(database).write_final(charts_of(truth_of([(TRACK, "US", T0 + 1)])))
    index = LateIndex(folder, database)
    through = await index.search()
    replay = Replay(folder, database, heads, log_id=LOG, top_n=10)

    async def asked(play_id: str) -> list[tuple[int, int, str, bool]]:
        trails = Trails(folder, BOOK, Jobs(database).basis)
        return told(await trails.find(TRACK, play_id, [SPAN], await index.files(T0 // DAY_MS)))

    assert (await asked("late"))[0] == (*late, "late", False)
    assert (await replay.run([HOUR], Plan("late", late=through))).charts
    assert (await asked("late"))[0] == (*late, "late", True)
    assert [step[3] for step in await asked("late")] == [True, False]
    rules = replace(BOOK.rules[0], shortest_ms=10_000)
    assert (await replay.run([HOUR], Plan("shorter", rules))).charts
    assert await asked("short") == [(*short, "short", True)]
    longer = Rules(partitions=PARTITIONS, shortest_ms=50_000)
    assert (await replay.run([HOUR], Plan("longer", longer))).charts
    assert await asked("short") == [(*short, "short", False)]
    assert await asked("counted") == [(*counted, "counted", False)]


async def looked_up(
    lookups: Lookups, play_id: str, now: int, at: int | None = None
) -> list[tuple[int, int, str, bool]]:
    return told(await lookups.find(TRACK, play_id, at=at, now=now, book=BOOK))


@pytest.fixture
async def lookups(folder: Store, tmp_path: Path, database_url: str) -> Lookups:
    """A lake with one play that counted, and its repeat more than a day after."""
    scene = Scene()
    scene.send(T0, track_id=TRACK, play_id="p")
    scene.send(T0 + 40 * HOUR_MS, track_id=TRACK, play_id="p", played_at=T0)
    scene.tick(T0 + 60 * HOUR_MS)
    await scene.keep(folder)
    return Lookups(Settings(lake_url=f"file://{tmp_path}/lake", postgres_url=SecretStr(database_url)))


async def test_a_lookup_goes_back_a_day_or_to_the_time_it_is_told(lookups: Lookups) -> None:
    first, again = (HOME, 0, "counted", True), (HOME, 1, "late", False)
    assert await looked_up(lookups, "p", now=T0 + 20 * HOUR_MS) == [first]
    assert await looked_up(lookups, "p", now=T0 + 90 * HOUR_MS) == []
    assert await looked_up(lookups, "p", now=T0 + 90 * HOUR_MS, at=T0 + 1) == [first]
    # It finds the repeat, and with it where the play itself must be.
    assert await looked_up(lookups, "p", now=T0 + 50 * HOUR_MS) == [first, again]
    assert await looked_up(lookups, "q", now=T0 + 50 * HOUR_MS, at=T0) == []


async def test_lookups_are_bounded_in_time_and_number(
    lookups: Lookups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "WAITING", 1)
    asked = [asyncio.create_task(looked_up(lookups, "p", now=0, at=T0)) for _ in range(3)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [list, list, Unreachable]
    monkeypatch.setattr(lookup, "SEARCH_S", 0.0)
    with pytest.raises(Unreachable, match="with `at`"):
        await looked_up(lookups, "p", now=0, at=T0)
