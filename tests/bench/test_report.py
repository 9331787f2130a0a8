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
        **{"whole": whole, "figures": figures},
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
