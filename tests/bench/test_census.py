"""The census of the bench says what the simulator's truth says, and a report is made of any figures."""

from collections import Counter

from bench.dataset import Census
from bench.targets import targets
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


def test_a_target_that_is_missed_says_so() -> None:
    rates = {"bare getmany": 100, "ours": 79, "ours without duplicates check": 100, "bytewax": 10, "faust": 1}
    rows = [{"name": name, "plays_per_s": rate} for name, rate in rates.items()]
    found = {"race": {"figures": {"rows": rows, "absent": {"Kafka Streams": "no Java"}}}}
    answers = {name: (measured, met) for name, _, measured, met in targets(found)}
    assert answers["durable, of the bare loop, duplicates not checked"] == ("1.00", "met")
    assert answers["durable, of the bare loop, duplicates checked"] == ("0.79", "missed")
    assert answers["of the best Python peer (bytewax)"] == ("7.90", "met")
    assert answers["faster than Kafka Streams, per core"] == ("not measured: no Java", "open")
