"""What our stores hold is compared with the truth count by count, and one that is wrong is found."""

from collections import Counter
from pathlib import Path

import pytest
import rocksdict

from bench.comparing import Wrong, compare_charts, compare_tallies
from bench.dataset import Census
from charts.marker import Marker
from charts.tally import ALL, DAY, key_of
from charts.window import rfc3339
from tables.tally_keys import MARKER

DAY_1, HOUR_1 = 20_000, 20_000 * 24
CELLS = Counter(
    {
        ("DE", HOUR_1, "a"): 2,
        ("SE", HOUR_1, "a"): 1,
        ("SE", HOUR_1 + 1, "a"): 4,
        ("DE", HOUR_1 + 24, "b"): 1,
    }
)
DE, SE = (int.from_bytes(region, "big") for region in (b"DE", b"SE"))
A = {(DE, 0): 2, (SE, 0): 1, (ALL, 0): 3, (SE, 1): 4, (ALL, 1): 4, (DE, DAY): 2, (SE, DAY): 5, (ALL, DAY): 7}
B = {(DE, 0): 1, (ALL, 0): 1, (DE, DAY): 1, (ALL, DAY): 1}


def store(folder: Path, tallies: dict[bytes, dict[tuple[int, int], int]], settled: int = 0) -> Path:
    db = rocksdict.Rdict(str(folder / "tally-0.db"), options=rocksdict.Options(raw_mode=True))
    for key, words in tallies.items():
        packed = [plays << 24 | region << 8 | hour for (region, hour), plays in words.items()]
        db[key] = b"".join(word.to_bytes(8, "little") for word in (99, *packed))
    db[MARKER] = Marker(settled=settled).encode()
    db.close()
    return folder


def test_the_truth_is_found_to_be_true(tmp_path: Path) -> None:
    compare_tallies(Census(CELLS), store(tmp_path, {key_of(DAY_1, b"a"): A, key_of(DAY_1 + 1, b"b"): B}))


def without(words: dict[tuple[int, int], int], *places: tuple[int, int]) -> dict[tuple[int, int], int]:
    return {place: plays for place, plays in words.items() if place not in places}


@pytest.mark.parametrize(
    "wrong",
    [
        {**A, (SE, 1): 5},
        {**A, (ALL, DAY): 8},
        {**A, (DE, 2): 1},
        without(A, (DE, 0)),
        without(A, (DE, DAY)),
    ],
    ids=["hour", "day", "an hour that was not", "an hour lost", "a day lost"],
)
def test_a_wrong_count_is_found(tmp_path: Path, wrong: dict[tuple[int, int], int]) -> None:
    folder = store(tmp_path, {key_of(DAY_1, b"a"): wrong, key_of(DAY_1 + 1, b"b"): B})
    with pytest.raises(Wrong, match="1 counts of"):
        compare_tallies(Census(CELLS), folder)


def test_a_track_nobody_played_is_found(tmp_path: Path) -> None:
    tallies = {key_of(DAY_1, b"a"): A, key_of(DAY_1 + 1, b"b"): B, key_of(DAY_1, b"c"): B}
    with pytest.raises(Wrong):
        compare_tallies(Census(CELLS), store(tmp_path, tallies))


def test_final_hours_and_days_may_be_gone_but_not_open_ones(tmp_path: Path) -> None:
    """The second day's first hour is open, all before it is final."""
    (tmp_path / "gone").mkdir()
    (tmp_path / "kept").mkdir()
    kept = store(tmp_path / "kept", {key_of(DAY_1, b"a"): A, key_of(DAY_1 + 1, b"b"): B}, HOUR_1 + 24)
    gone = store(tmp_path / "gone", {key_of(DAY_1 + 1, b"b"): B}, HOUR_1 + 24)
    for folder in (kept, gone):
        compare_tallies(Census(CELLS), folder)
    with pytest.raises(Wrong, match="days"):
        compare_tallies(Census(CELLS + Counter({("DE", HOUR_1 + 25, "b"): 1})), gone)


def test_charts_are_compared_in_order_with_their_totals() -> None:
    census = Census(Counter({("DE", HOUR_1, "b"): 2, ("DE", HOUR_1, "a"): 2, ("DE", HOUR_1, "c"): 9}))
    right = {
        "entries": [{"track_id": track, "plays": plays} for track, plays in (("c", 9), ("a", 2), ("b", 2))],
        "plays": 13,
        "tracks": 3,
    }
    assert compare_charts(census, lambda path: right) == 4
    turned = {**right, "entries": right["entries"][::-1]}  # type: ignore[index]
    hour = f"/v1/charts/global/hour?limit=100&at={rfc3339(HOUR_1 * 3_600_000)}"
    with pytest.raises(Wrong, match="the chart of global hour"):
        compare_charts(census, lambda path: turned if path == hour else right)
    with pytest.raises(Wrong, match="totals"):
        compare_charts(census, lambda path: {**right, "plays": 12})
    with pytest.raises(Wrong, match="no chart"):
        compare_charts(census, lambda path: None)
