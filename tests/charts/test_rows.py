"""Rows: every record of a chunk once, with its verdict, nothing of it lost."""

import numpy as np
import orjson
import pytest

from charts.chunk import Cutter
from charts.home import home_of
from charts.play import Play
from charts.rows import late_days, rows_of
from charts.run import Run
from charts.verdict import Rulebook, Rules
from charts.window import DAY_MS, HOUR_MS, MINUTE_MS

NOW = 1_000 * DAY_MS + 12 * HOUR_MS
BOOK = Rulebook.of({0: Rules(partitions=2)})
HOME = next(f"t{n}" for n in range(9) if home_of(f"t{n}", 2) == 1)
AWAY = next(f"t{n}" for n in range(9) if home_of(f"t{n}", 2) == 0)


def a_play(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "play_id": "p1",
        "user_id": "u",
        "track_id": HOME,
        "region": "US",
        "played_at": NOW,
        "ms_played": 60_000,
    }
    return orjson.dumps({**fields, **changes})


def rows(values: list[bytes | None], **marks: object) -> list[dict[str, object]]:
    run = Run(
        1,
        100,
        100 + len(values),
        values,
        np.arange(100, 100 + len(values)),
        np.full(len(values), NOW),
        **marks,  # type: ignore[arg-type]
    )
    cutter = Cutter(1, 100)
    assert cutter.feed(run) == []
    assert cutter.growing is not None
    table = rows_of(cutter.growing, BOOK)
    return sorted(table.to_pylist(), key=lambda row: row["offset"])


def test_each_record_is_a_row_with_its_verdict() -> None:
    day_before = NOW - 30 * HOUR_MS
    got = rows(
        [
            a_play(),
            a_play(ms_played=29_999),
            a_play(played_at=day_before),
            a_play(played_at=NOW + 5 * MINUTE_MS + 1),
            b"\xffnonsense",
            None,
            a_play(track_id=AWAY),
            a_play(ms_played=1),
            b"",
        ],
        forwarded={7: (0, 55)},
        ticks=frozenset({8}),
    )
    names = ["counted", "short", "late", "early", "malformed", "malformed", "forwarded", "counted", "tick"]
    assert [row["verdict"] for row in got] == names
    assert [row["offset"] for row in got] == list(range(100, 109))
    assert got[4]["value"] == b"\xffnonsense"
    assert got[4]["reason"] == "no JSON object"
    assert (got[5]["value"], got[5]["reason"]) == (None, "empty")
    assert (got[7]["landed_partition"], got[7]["landed_offset"]) == (0, 55)
    assert got[8]["track_id"] is None


def test_late_plays_are_summed_by_the_day_they_were_played() -> None:
    values = [a_play(played_at=NOW - DAY_MS), a_play(played_at=NOW - DAY_MS), a_play(played_at=NOW)]
    cutter = Cutter(1)
    cutter.feed(Run(1, 0, 3, values, np.arange(3), np.full(3, NOW)))
    assert cutter.growing is not None
    assert late_days(rows_of(cutter.growing, BOOK)) == {999: 2}


@pytest.mark.parametrize(
    "unknown",
    [{"device": "x"}, {"n": 1}, {"a": None}, {"deep": {"play_id": 'quoted "'}}, {"": [1, 2]}],
)
def test_unknown_fields_are_kept(unknown: dict[str, object]) -> None:
    noise = {"title": 'He said "no"', "album": None}
    first, second = rows([a_play(**noise, **unknown), a_play(**noise)])
    assert orjson.loads(str(first["extra"])) == unknown
    assert second["extra"] is None
    assert first["title"] == noise["title"]


@pytest.mark.parametrize("odd", [b"NaN", b"[" * 254 + b"]" * 254, b"[" * 2000 + b"]" * 2000])
def test_what_only_the_lenient_reader_reads_keeps_its_bytes(odd: bytes) -> None:
    value = a_play()[:-1] + b',"odd":' + odd + b"}"
    (row,) = rows([value])
    assert (row["verdict"], row["extra"], row["value"]) == ("counted", None, value)


def test_rows_are_sorted_by_region_then_offset() -> None:
    values = [a_play(region=region) for region in ("US", "DE", "US", "DE")]
    cutter = Cutter(1)
    cutter.feed(Run(1, 0, 4, values, np.arange(4), np.full(4, NOW)))
    assert cutter.growing is not None
    table = rows_of(cutter.growing, BOOK)
    assert table["region"].to_pylist() == ["DE", "DE", "US", "US"]
    assert table["offset"].to_pylist() == [1, 3, 0, 2]


def test_a_play_decodes_to_the_same_fields() -> None:
    value = a_play(title="Ä", source="radio", extra_field=[1])
    (row,) = rows([value])
    play = Play.decode(value)
    assert (row["title"], row["source"], row["ms_played"]) == (play.title, play.source, play.ms_played)
    assert orjson.loads(str(row["extra"])) == play.extra
