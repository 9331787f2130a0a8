"""Listeners: the same seed plays the same plays, and the world looks like one."""

from collections import Counter
from dataclasses import replace

import numpy as np
import orjson
import pytest
from aiokafka.partitioner import murmur2

from charts.errors import BadSettings
from charts.play import decode_run
from charts.window import DAY_MS, HOUR_MS, MINUTE_MS, parse_time
from simulator.drive import Pace, _pieces
from simulator.listeners import CHUNK, Listeners
from simulator.slice import Slice
from simulator.world import REGIONS, Faults, World, regions_of

START = parse_time("2026-11-21T13:50:00Z")
WORLD = World(seed=7, start=START, step_ms=100, tracks=5_000, listeners=2_000)
FAULTY = replace(WORLD, ticks=True, faults=Faults(0.05, 0.04, 0.03, 0.02, 0.01))


def records(world: World, total: int) -> list[tuple[int, int, bytes | None, bytes | None]]:
    """Everything that is sent, one by one."""
    return [row for piece in Listeners(world).records(total) for row in rows(piece)]


def rows(piece: Slice) -> list[tuple[int, int, bytes | None, bytes | None]]:
    return list(zip(piece.clock.tolist(), piece.partitions.tolist(), piece.keys, piece.values, strict=True))


def plays(world: World, total: int) -> list[dict[str, object]]:
    return [orjson.loads(value) for _, _, _, value in records(world, total) if value is not None]


@pytest.mark.parametrize("world", [WORLD, FAULTY])
def test_the_same_seed_plays_the_same_bytes(world: World) -> None:
    assert records(world, CHUNK + 1000) == records(world, CHUNK + 1000)


@pytest.mark.parametrize("other", [{"seed": 8}, {"start": START + 1}])
def test_another_seed_or_start_plays_other_plays(other: dict[str, int]) -> None:
    ids = {play["play_id"] for play in plays(WORLD, 1000)}
    assert ids.isdisjoint(play["play_id"] for play in plays(replace(WORLD, **other), 1000))


@pytest.mark.parametrize("batch", [1, 7, 5000])
def test_how_plays_are_sent_changes_none(batch: int) -> None:
    cut = [row for piece in _pieces(Listeners(FAULTY), Pace(None, batch=batch), 3000) for row in rows(piece)]
    assert cut == records(FAULTY, 3000)


def test_fewer_plays_are_the_first_of_more() -> None:
    assert records(FAULTY, CHUNK + 50) == records(FAULTY, CHUNK + 5000)[: len(records(FAULTY, CHUNK + 50))]


def test_every_play_is_of_the_wires_shape() -> None:
    values = [value for _, _, _, value in records(WORLD, 20_000)]
    decoded = decode_run(values)
    assert decoded.good.all(), decoded.reasons
    assert len({play["play_id"] for play in map(orjson.loads, values)}) == 20_000
    assert 190 < np.mean([len(value) for value in values]) < 250


def test_names_can_be_left_out() -> None:
    assert {"title", "artist"} <= plays(WORLD, 1)[0].keys()
    assert {"title", "artist"}.isdisjoint(plays(replace(WORLD, names=False), 1)[0])


def test_keys_and_partitions_are_those_of_any_kafka_client() -> None:
    for _, partition, key, value in records(WORLD, 500):
        assert key == orjson.loads(value)["track_id"].encode()
        assert partition == (murmur2(key) & 0x7FFFFFFF) % WORLD.partitions


def test_the_clock_follows_from_the_number_of_a_play() -> None:
    assert [clock for clock, *_ in records(replace(WORLD, step_ms=1.5), 5)] == [
        START + n for n in (0, 1, 3, 4, 6)
    ]


def test_plays_are_over_before_they_are_sent_and_on_time() -> None:
    for clock, _, _, value in records(WORLD, 20_000):
        play = orjson.loads(value)
        assert play["played_at"] + play["ms_played"] < clock
        assert clock < play["played_at"] // HOUR_MS * HOUR_MS + 3 * HOUR_MS
        assert play["ms_played"] >= 30_000


def test_a_tick_comes_to_every_partition_where_a_minute_begins() -> None:
    sent = records(replace(WORLD, ticks=True, step_ms=7_001), 100)
    minutes = range(START // MINUTE_MS + 1, (START + 99 * 7_001) // MINUTE_MS + 1)
    ticks = [(clock, partition) for clock, partition, _, value in sent if value is None]
    assert ticks == [(m * MINUTE_MS, p) for m in minutes for p in range(WORLD.partitions)]
    clocks = [clock for clock, *_ in sent]
    assert clocks == sorted(clocks)


@pytest.mark.parametrize("start", [START, START + 1, START - 1])
def test_ticks_fall_on_the_first_play_of_a_chunk_too(start: int) -> None:
    # A chunk ends and a minute begins at the same play: once, not twice, not never.
    step = MINUTE_MS / CHUNK
    sent = records(replace(WORLD, ticks=True, start=start, step_ms=step), 2 * CHUNK + 10)
    ticks = Counter(clock for clock, _, _, value in sent if value is None)
    last = start + int((2 * CHUNK + 9) * step)
    assert ticks == {m * MINUTE_MS: 4 for m in range(start // MINUTE_MS + 1, last // MINUTE_MS + 1)}


def test_popularity_is_zipfs() -> None:
    world = replace(WORLD, taste=0, habit=0, step_ms=1)
    listeners = Listeners(world)
    listeners.taste.breakouts = lambda time_ms: []  # type: ignore[method-assign]
    counts = Counter(key for piece in listeners.records(100_000) for key in piece.keys)
    ranked = [count for _, count in counts.most_common(100)]
    harmonic = sum(1 / rank for rank in range(1, world.tracks + 1))
    for rank in (1, 2, 5, 20, 100):
        assert ranked[rank - 1] == pytest.approx(100_000 / harmonic / rank, rel=0.25)


def test_regions_have_their_own_taste() -> None:
    tops = {code: Counter() for code in ("US", "DE")}
    for play in plays(replace(WORLD, regions=regions_of("US,DE"), step_ms=1), 40_000):
        tops[play["region"]][play["track_id"]] += 1
    us, de = ({track for track, _ in tops[code].most_common(20)} for code in ("US", "DE"))
    assert 0 < len(us & de) < 20


def test_a_region_sleeps_at_its_own_night() -> None:
    """Four in the morning in Berlin is noon in Tokyo."""
    world = replace(WORLD, regions=regions_of("DE,JP"), step_ms=10)
    at = [parse_time(f"2026-11-21T{hour:02d}:00:00Z") for hour in (3, 16)]
    share = [
        sum(play["region"] == "DE" for play in plays(replace(world, start=start), 4000)) / 4000
        for start in at
    ]
    assert share[0] < 0.3 < 0.7 < share[1]


def test_songs_break_out_and_fade() -> None:
    listeners = Listeners(WORLD)
    breakout = next(b for b in listeners.taste.breakouts(START) if b.start > START)
    peak = breakout.start + breakout.rise_ms
    times = [breakout.start - 1, breakout.start + breakout.rise_ms // 2, peak, peak + breakout.half_life_ms]
    shares = [breakout.share(time) / breakout.peak for time in times]
    assert shares == pytest.approx([0, 0.5, 1, 0.5], abs=0.01)
    assert breakout.share(peak + DAY_MS) == 0


def test_a_breakout_is_heard() -> None:
    listeners = Listeners(replace(WORLD, step_ms=1))
    breakout = max(listeners.taste.breakouts(START), key=lambda b: b.peak * (b.region < 0))
    assert breakout.region < 0, "seed 7 has a breakout everywhere"
    peak = breakout.start + breakout.rise_ms
    heard = Counter(play["track_id"] for play in plays(replace(WORLD, start=peak, step_ms=1), 20_000))
    assert heard[f"t{breakout.track:07d}"] / 20_000 == pytest.approx(breakout.peak, rel=0.3)


def test_listeners_have_favourites() -> None:
    def repeats(habit: float) -> float:
        world = replace(WORLD, habit=habit, zipf=0.3, listeners=500, step_ms=1)
        counts = Counter((play["user_id"], play["track_id"]) for play in plays(world, 20_000))
        return sum(count - 1 for count in counts.values()) / 20_000

    assert repeats(0.6) > 2 * repeats(0.0)


def test_regions_are_a_number_or_names() -> None:
    assert [region.code for region in regions_of("3")] == ["US", "IN", "BR"]
    assert [region.code for region in regions_of("DE, XX,DE")] == ["DE", "XX"]
    assert len({region.code for region in REGIONS}) == len(REGIONS) == 60
    for text in ("0", "61", "de", "DEU", "", "1.5", "D1", "ÄÖ"):
        with pytest.raises(BadSettings):
            regions_of(text)


@pytest.mark.parametrize("shares", [(1.1,), (-0.1,), (0.6, 0.6)])
def test_impossible_faults_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(BadSettings):
        Faults(*shares)
