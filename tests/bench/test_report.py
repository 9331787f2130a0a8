"""The report says what was measured, what was not and why, and which targets are missed."""

from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.brokers import APACHE, EMBEDDED
from bench.targets import targets

RATES = {"bare getmany": 100, "ours": 79, "ours without duplicates check": 100, "bytewax": 10, "faust": 1}


def row(name: str, rate: float, cpu_s: float = 4.0, warm_cpu_s: float | None = None) -> dict[str, Any]:
    known = {"name": name, "title": name, "lacks": "", "plays": 1_000_000, "runs": 5, "plays_per_s": rate}
    unknown = dict.fromkeys(("to_ceiling", "to_ours", "recovery_s", "changelog_bytes_per_play"))
    cpu = {"cpu_s_per_million": cpu_s, "warm_cpu_s_per_million": warm_cpu_s}
    ends = {"plays_per_s_least": rate, "plays_per_s_most": rate}
    return {**known, **unknown, **cpu, **ends, "rss_max_mb": 100, "start_s": 1.0}


def entry(figures: Any, busy_cores: float = 0.0, whole: bool = True) -> dict[str, Any]:
    machine = {
        **{"cores": 2, "cpu": "one", "memory_gb": 8, "python": "3.11", "versions": {"faust": "1"}},
        **{"date": "2026-01-01", "load_1_5_15": [0.1, 0.1, 0.1], "busy_cores": busy_cores},
    }
    return {
        **{"machine": machine, "command": "make bench", "broker": "Apache Kafka 4"},
        **{"whole": whole, "took_s": 90, "figures": figures},
    }


EMBEDDED_RACE = entry({"rows": [row(name, rate) for name, rate in RATES.items()], "absent": {"quix": "why"}})
STREAMS = (row("kafka streams", 50, 12.0, 10.0), row("kafka streams at least once", 60, 11.0, 9.0))
APACHE_RACE = entry(
    {
        "rows": [row("ours", 70, 5.0), row("ours without duplicates check", 75, 4.0), *STREAMS],
        "absent": {"faust": "measured on the embedded broker"},
    }
)


def measured(**found: Any) -> dict[str, tuple[str, str]]:
    return {name: (figure, met) for name, _, figure, met in targets(found)}


def test_a_target_that_is_missed_says_so() -> None:
    answers = measured(race=EMBEDDED_RACE)
    assert answers["durable, of the bare loop, duplicates not checked"] == ("1.00", "met")
    assert answers["durable, of the bare loop, duplicates checked"] == ("0.79", "missed")
    assert answers["of the best Python peer (bytewax)"] == ("7.90", "met")


STREAMS_TARGET = "faster than Kafka Streams on the same broker, per core"


def test_kafka_streams_is_taken_at_its_best() -> None:
    answer = measured(race=EMBEDDED_RACE, **{"race on apache": APACHE_RACE})[STREAMS_TARGET]
    assert answer == ("2.00 (5.0 against 10.0 CPU s per million)", "met")


def test_a_slower_one_misses_the_target() -> None:
    rows = [row("ours", 70, 11.0), row("kafka streams", 50, 12.0, 10.0)]
    slow = entry({"rows": rows, "absent": {}})
    assert measured(race=EMBEDDED_RACE, **{"race on apache": slow})[STREAMS_TARGET][1] == "missed"


@pytest.mark.parametrize(
    "figures",
    [
        {"not measured": "there is no java here"},
        {"rows": [], "absent": {"kafka streams": "there is no java here"}},
    ],
)
def test_where_kafka_streams_cannot_run_the_reason_stands_there(figures: Any) -> None:
    answer = measured(race=EMBEDDED_RACE, **{"race on apache": entry(figures)})[STREAMS_TARGET]
    assert answer == ("not measured: there is no java here", "open")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(report, "PLOTS", tmp_path / "plots")
    return tmp_path / "page.md"


def test_the_page_has_every_race_in_order_with_its_own_plots(page: Path) -> None:
    lake = entry(
        {
            "plays": 10**6,
            "plays_per_s": 10**5,
            "cpu_s_per_million": 5.0,
            "rss_max_mb": 300,
            "raw_bytes_per_play": 90.5,
        }
    )
    found = {
        "lake": lake,
        report.place("race", APACHE): APACHE_RACE,
        report.place("race", EMBEDDED): EMBEDDED_RACE,
    }
    report.write(found)
    text = page.read_text()
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles == ["## Targets", "## The field", "## The field, on Apache Kafka 4", "## The lake"]
    assert sorted(path.name for path in (page.parent / "plots").iterdir()) == [
        *("cpu-apache.svg", "cpu.svg", "race-apache.svg", "race.svg")
    ]
    assert "| kafka streams, warm | 10.0 | 2.00 | 2.50 |" in text
    assert "- quix: not here: why" in text
    assert "average 160,000 plays/s: that takes\n**0.64 cores** of ours" in text
    assert "not quiet" not in text
    assert "Fewer plays" not in text


def test_the_page_says_what_not_to_believe(page: Path) -> None:
    noisy = entry(EMBEDDED_RACE["figures"], busy_cores=1.2, whole=False)
    report.write({"race": noisy, "race on apache": entry({"not measured": "there is no mvn here"})})
    text = page.read_text()
    assert "**The machine was not quiet** when these began: race." in text
    assert "**Fewer plays or runs** than `make bench` takes: race." in text
    assert "Not measured here: there is no mvn here." in text


def test_every_target_has_a_row_and_what_was_not_measured_is_open() -> None:
    rows = list(targets({}))
    assert len(rows) == len({name for name, *_ in rows})
    assert {met for *_, met in rows} == {"open"}
    assert len(list(targets({"race": EMBEDDED_RACE, "memory": MEMORY, "recovery": RECOVERY}))) == len(rows)


MEMORY = entry(
    {
        "plays": 20_000_000,
        "allowed_mb": 1_100,
        "ways": {
            "remembered": {"marks": {}, "rss_max_mb": 1_101, "rest_mb": 900},
            "not remembered": {
                "marks": {
                    "5000000": {"rss_mb": 500, "after_s": 9.0},
                    "10000000": {"rss_mb": 600, "after_s": 19.0},
                    "20000000": {"rss_mb": 620, "after_s": 39.0},
                },
                "rss_max_mb": 710,
                "rest_mb": 400,
            },
        },
    }
)
RECOVERY = entry(
    {
        "plays": 2_200_000,
        "tallies": 1_000_000,
        "join_s": 3.1,
        "ways": {
            "RocksDB": {"open_s": 7.0, "first_play_s": 8.1},
            "the changelog": {"open_s": 13.0, "first_play_s": 15.0},
        },
    }
)


def test_memory_is_judged_with_the_ids_and_without() -> None:
    answers = measured(memory=MEMORY)
    assert answers["peak memory: 700 MB and 20 MB per million remembered plays"] == ("1,101 MB", "missed")
    assert answers["memory without remembered ids, after 10,000,000 plays"] == ("600 MB", "met")
    assert answers["the same after twice as many, of that"] == ("1.03", "met")


def test_the_brokers_delay_is_left_out_where_the_target_says_so_only() -> None:
    answers = measured(recovery=RECOVERY)
    assert answers["start to first play counted, 1,000,000 tallies in RocksDB"] == ("8.1 s", "missed")
    assert answers["the same from the changelog alone, less the broker's join delay"] == ("11.9 s", "met")


def test_hour_23_is_beside_the_bare_loop() -> None:
    line = {"plays_per_s": 95}
    figures = {"rows": {"ours, duplicates not checked, hour 23": line}, "bare_plays_per_s": 100}
    answers = measured(**{"hour-23": entry(figures)})
    assert answers["hour 23, of the bare loop, duplicates not checked"] == ("0.95", "missed")


def test_freshness_is_judged_at_its_ninety_ninth() -> None:
    answers = measured(freshness=entry({"rate": 20_000, "fresh_p99_ms": 2_501.0, "read_p99_ms": 49.9}))
    assert answers["a play in the chart at 20,000 plays/s, p99"] == ("2,501.0 ms", "missed")
    assert answers["HTTP beside it, p99"] == ("49.9 ms", "met")


def test_the_chapters_show_what_was_measured(page: Path) -> None:
    report.write({"race": EMBEDDED_RACE, "memory": MEMORY, "recovery": RECOVERY})
    text = page.read_text()
    assert "| plays, their ids not remembered | resident MB | after s |" in text
    assert "| from the changelog | 13.0 | 15.0 | 11.9 |" in text
    assert "[speed.md](speed.md)" in text


def test_the_profile_names_what_bounds_a_worker(page: Path) -> None:
    figures = {
        **{"plays": 10**6, "samples": 900, "us_per_play_in_function": {"_parse (charts/play.py)": 2.0}},
        "us_per_play_by_thread": {"flush_0": 4.0, "decode_0": 3.0},
        "us_per_play_below_function": {
            "_decode (tables/arrivals.py)": 2.9,
            "take_in (charts/intake.py)": 2.8,
        },
    }
    report.write({"profile": entry(figures)})
    text = page.read_text()
    assert "The busiest thread, `flush_0`, bounds a worker at 250,000 plays/s" in text
    assert "`_decode (tables/arrivals.py)`" in text
