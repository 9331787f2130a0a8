"""Logs: JSON for machines, a line for people, and nothing lost on the way."""

import logging
import subprocess
import sys

import orjson
import pytest

from charts.settings import Settings
from logs import JsonLines, Text, config


def _record(**fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "tables.tally", "levelname": "WARNING", "created": 0.5, **fields})


def test_a_record_is_one_json_line_with_its_extra_fields() -> None:
    line = JsonLines().format(_record(msg="partition %d\nrevoked", args=(3,), partition=3))
    assert "\n" not in line
    assert orjson.loads(line) == {
        "time": "1970-01-01T00:00:00.500+00:00",
        "level": "warning",
        "logger": "tables.tally",
        "message": "partition 3\nrevoked",
        "partition": 3,
    }


def test_a_traceback_stays_inside_its_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        line = JsonLines().format(_record(msg="flush failed", exc_info=sys.exc_info()))
    assert "\n" not in line
    assert orjson.loads(line)["error"].endswith("ValueError: broken")


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert orjson.loads(JsonLines().format(_record(msg="x", held={1})))["held"] == "{1}"


def test_on_a_terminal_a_line_is_for_people() -> None:
    assert Text().format(_record(msg="revoked")) == "00:00:00 WARNING tables.tally: revoked"


@pytest.mark.parametrize(("chosen", "formatter"), [("json", JsonLines), ("text", Text)])
def test_the_format_follows_the_setting(
    chosen: str, formatter: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTS_LOG_FORMAT", chosen)
    assert config(Settings())["formatters"]["ours"]["()"] is formatter


def test_the_level_holds_and_everything_goes_to_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTS_LOG_LEVEL", "warning")
    program = (
        "import logging, logs; from charts.settings import settings; logs.setup(settings());"
        "logging.info('quiet'); logging.warning('loud')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b""
    assert [orjson.loads(line)["message"] for line in done.stderr.splitlines()] == ["loud"]
