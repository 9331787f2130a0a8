"""A whole measurement: a section that fails has its reason in the report, and the others are measured."""

import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from bench import __main__ as bench
from bench import report
from charts.errors import ChartsError

SAID = {"http": RuntimeError("a bug"), "history": ChartsError("no Postgres here")}


@pytest.fixture
def latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def measured(section: str, *_: Any) -> Any:
        if section in SAID:
            raise SAID[section]
        return {
            "plays": 1,
            "plays_per_s": 1,
            "cpu_s_per_million": 1,
            "rss_max_mb": 1,
            "raw_bytes_per_play": 1,
        }

    monkeypatch.setattr(bench, "measured", measured)
    monkeypatch.setattr(bench, "OUT", tmp_path)
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(report, "PLOTS", tmp_path / "plots")
    return tmp_path / "latest.json"


def bench_of(monkeypatch: pytest.MonkeyPatch, *sections: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bench", *sections])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    return int(ended.value.code or 0)


def test_a_section_that_fails_costs_the_others_nothing(latest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench_of(monkeypatch, "http", "lake", "history") == 1
    found = orjson.loads(latest.read_bytes())
    assert found["http"]["figures"] == {"not measured": "a bug"}
    assert found["history"]["figures"] == {"not measured": "no Postgres here"}
    assert found["lake"]["figures"]["plays"] == 1
    assert "Not measured here: a bug." in (latest.parent / "page.md").read_text()


def test_one_section_again_keeps_the_others_of_this_layout(
    latest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench_of(monkeypatch, "history") == 1
    old = orjson.loads(latest.read_bytes())
    latest.write_bytes(orjson.dumps({**old, "memory": {**old["history"], "layout": 1}}))
    assert bench_of(monkeypatch, "lake") == 0
    assert list(orjson.loads(latest.read_bytes())) == ["history", "lake"]
