"""The census of the bench says what the simulator's truth says."""

from collections import Counter

from bench.dataset import Census
from charts.window import HOUR_MS
from simulator.listeners import Listeners
from simulator.preload import bench_world
from simulator.truth import Limits, Truth

PLAYS = 20_000


def test_the_census_is_the_truth_of_plays_without_faults() -> None:
    world = bench_world(PLAYS, tracks=500)
    truth, census = Truth(Limits(2 * HOUR_MS, 300_000, 30_000), world.partitions), Census()
    for records in Listeners(world).records(PLAYS):
        truth.take(records)
        census.take(records)
    assert truth.ledger == Counter(counted=PLAYS)
    assert census.cells.total() == PLAYS
    told = {
        (region, start // HOUR_MS, track): plays
        for (region, start), tracks in truth.hours.items()
        for track, plays in tracks.items()
    }
    assert census.cells == told
    hours = {(r, start // HOUR_MS): c for (r, kind, start), c in truth.charts().items() if kind == "hour"}
    assert {(r, n): c for (r, kind, n), c in census.charts.items() if kind == "hour"} == hours
