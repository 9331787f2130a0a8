"""The truth: the plain oracle and the counting code say the same of the same log."""

from collections import Counter
from pathlib import Path

import numpy as np
import orjson
import pytest

from charts.intake import take_in
from charts.run import Run
from charts.verdict import LANDS, Rulebook, Rules, Verdict
from charts.window import HOUR_MS, Window, parse_time, rfc3339
from simulator.listeners import Listeners
from simulator.truth import LETTERS, Limits, Truth
from simulator.world import Faults, World

START = parse_time("2026-11-21T22:30:00Z")
SHARES = {"duplicate": 0.1, "late": 0.06, "early": 0.05, "short": 0.04, "malformed": 0.03}
#: Three hours over midnight, so that hours and days end within.
WORLD = World(
    seed=3,
    start=START,
    step_ms=3 * HOUR_MS / 30_000,
    tracks=500,
    partitions=3,
    ticks=True,
    faults=Faults(*SHARES.values()),
    rules=Rules(partitions=3),
)
LIMITS = Limits(7_200_000, 300_000, 30_000)


@pytest.fixture(scope="module")
def log() -> list[list[tuple[int, bytes | None]]]:
    """Per partition, the timestamp and value of every record."""
    partitions: list[list[tuple[int, bytes | None]]] = [[] for _ in range(WORLD.partitions)]
    for piece in Listeners(WORLD).records(30_000):
        rows = zip(piece.partitions.tolist(), piece.clock.tolist(), piece.values, strict=True)
        for partition, timestamp, value in rows:
            partitions[partition].append((timestamp, value))
    return partitions


@pytest.fixture(scope="module")
def truth(log: list[list[tuple[int, bytes | None]]]) -> Truth:
    told = Truth(LIMITS, WORLD.partitions)
    for partition, records in enumerate(log):
        for timestamp, value in records:
            told.record(partition, timestamp, value)
    return told


def test_the_counting_code_says_the_same_of_every_record(
    log: list[list[tuple[int, bytes | None]]], truth: Truth
) -> None:
    for partition, records in enumerate(log):
        run = Run(
            partition,
            0,
            len(records),
            [value for _, value in records],
            np.arange(len(records)),
            np.array([timestamp for timestamp, _ in records]),
            {},
            frozenset(row for row, (_, value) in enumerate(records) if value is None),
        )
        intake = take_in(run, 0, Rulebook.of({0: WORLD.rules}))
        seen: set[tuple[int, int]] = set()
        told = []
        for verdict, identity, hour in zip(
            intake.verdicts, intake.identities, intake.plays.hour, strict=True
        ):
            name = "counted" if verdict == LANDS else Verdict(verdict).name
            if verdict == LANDS and (int(identity), int(hour)) in seen:
                name = "duplicate"
            if verdict == LANDS:
                seen.add((int(identity), int(hour)))
            told.append(LETTERS[name])
        assert "".join(told) == "".join(truth.verdicts[partition])


def test_faults_come_in_their_shares(truth: Truth) -> None:
    sent = 30_000
    for verdict, share in SHARES.items():
        assert truth.ledger[verdict] / sent == pytest.approx(share, rel=0.35), verdict
    assert truth.ledger.total() == sent + truth.ledger["tick"]


def test_a_world_without_faults_counts_every_play() -> None:
    told = Truth(LIMITS, 4)
    for piece in Listeners(World(start=START, step_ms=500, tracks=100)).records(20_000):
        told.take(piece)
    assert told.ledger == {"counted": 20_000}


@pytest.mark.parametrize(
    ("timestamp", "played_at", "ms_played", "verdict"),
    [
        #  22:30 the play  23:00 its hour ends  01:00 the hour is closed
        (START, START + 300_000, 30_000, "counted"),
        (START, START + 300_001, 30_000, "early"),
        (START, START, 29_999, "short"),
        (START + HOUR_MS // 2 + 2 * HOUR_MS, START, 30_000, "counted"),
        (START + HOUR_MS // 2 + 2 * HOUR_MS + 1, START, 30_000, "late"),
        (START + HOUR_MS // 2 + 2 * HOUR_MS + 1, START, 0, "late"),
    ],
)
def test_the_limits_themselves(timestamp: int, played_at: int, ms_played: int, verdict: str) -> None:
    play = {"play_id": "p", "user_id": "u", "track_id": "t", "region": "DE"}
    value = orjson.dumps({**play, "played_at": played_at, "ms_played": ms_played})
    assert Truth(LIMITS, 1).record(0, timestamp, value) == verdict


def test_the_same_play_in_another_hour_is_another_play() -> None:
    told = Truth(LIMITS, 1)
    play = {"play_id": "p", "user_id": "u", "track_id": "t", "region": "DE", "ms_played": 30_000}
    times = (START, START + 1, START + HOUR_MS)
    verdicts = [told.record(0, START + HOUR_MS, orjson.dumps({**play, "played_at": at})) for at in times]
    assert verdicts == ["counted", "duplicate", "counted"]


def test_stream_time_is_each_partitions_own_and_never_falls() -> None:
    told = Truth(LIMITS, 2)
    play = {"play_id": "p", "user_id": "u", "track_id": "t", "region": "DE", "ms_played": 30_000}
    value = orjson.dumps({**play, "played_at": START})
    told.record(0, START + 4 * HOUR_MS, None)
    assert told.record(0, START, value) == "late"
    assert told.record(1, START, value) == "counted"


def test_the_file_tells_counts_by_region_window_and_track(truth: Truth, tmp_path: Path) -> None:
    truth.write(tmp_path / "truth.json", [0, 5, None])
    told = orjson.loads((tmp_path / "truth.json").read_bytes())
    assert told["ledger"] == truth.ledger
    assert [part["first_offset"] for part in told["log"]] == [0, 5, None]
    letters = Counter("".join(part["verdicts"] for part in told["log"]))
    assert letters == {LETTERS[verdict]: count for verdict, count in truth.ledger.items()}
    counted = truth.ledger["counted"]
    for kind in ("hour", "day"):
        windows = told["charts"]["global"][kind]
        assert sum(window["plays"] for window in windows.values()) == counted
        everywhere: Counter[str] = Counter()
        for region, chart in told["charts"].items():
            for start, window in chart[kind].items():
                assert rfc3339(Window.at(kind, parse_time(start)).start) == start
                assert sum(window["tracks"].values()) == window["plays"]
                everywhere.update({} if region == "global" else {start: window["plays"]})
        assert everywhere == {start: window["plays"] for start, window in windows.items()}
    # Plays of up to two hours before the start, over midnight.
    assert {start[:10] for start in told["charts"]["global"]["day"]} == {"2026-11-21", "2026-11-22"}
