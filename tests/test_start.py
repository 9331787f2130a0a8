"""A start that cannot work ends with one clear line and an exit code, never with a traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
from charts.errors import BadSettings, BrokenInvariant, ChartsError, LogMismatch, NotFound, Unreachable
from charts.settings import settings
from logs import ending_in_one_line
from simulator.servers import free_ports
from tables.preflight import kafka_accepts

#: Nobody listens there: ports below 1024 are not handed out.
NO_KAFKA = "127.0.0.1:1"


def _ends(*command: str, **settings: str) -> tuple[int, str]:
    """How a command ends under these settings: its exit code and all it said on stderr."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHARTS_")}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={**inherited, "CHARTS_KAFKA_URL": NO_KAFKA, **settings},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr.decode()


def _worker(tmp_path: Path, app: str = "faust_app", **settings: str) -> tuple[int, str]:
    [port] = free_ports(1)
    ours = {"CHARTS_DATA_DIR": str(tmp_path), "CHARTS_WEB_PORT": str(port), **settings}
    return _ends("faust", "-A", app, "worker", **ours)


def _is_one_line(said: str, *words: str) -> bool:
    return said.startswith("charts: ") and said.count("\n") == 1 and all(word in said for word in words)


def test_a_worker_without_kafka(tmp_path: Path) -> None:
    code, said = _worker(tmp_path)
    assert (code, said) == (3, f"charts: CHARTS_KAFKA_URL: no Kafka at {NO_KAFKA}\n")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("CHARTS_JWT_SECRET", "short", "needs 32 bytes or more"),
        ("CHARTS_LAKE_URL", "ftp://lake", "needs s3://bucket/prefix or file:///path"),
        ("CHARTS_DATA_DIR", "/proc/nowhere", "cannot be written: "),
    ],
)
def test_a_worker_with_a_bad_setting(tmp_path: Path, name: str, value: str, reason: str) -> None:
    code, said = _worker(tmp_path, **{name: value})
    assert code == 2
    assert _is_one_line(said, name, reason), said


def test_a_lake_worker_that_is_not_told_where_the_lake_is(tmp_path: Path) -> None:
    code, said = _worker(tmp_path, "faust_app:lake")
    assert code == 2
    assert _is_one_line(said, "CHARTS_LAKE_URL", "s3://bucket/prefix or file:///path"), said


def test_a_worker_whose_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = _worker(tmp_path, CHARTS_WEB_PORT=port)
    assert code == 2
    assert _is_one_line(said, "CHARTS_WEB_PORT", port, "taken"), said


def test_a_number_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTS_TOP_N", "many")
    settings.cache_clear()
    with pytest.raises(BadSettings, match=r"^CHARTS_TOP_N: .*valid integer"):
        settings()


def test_an_address_without_a_port() -> None:
    with pytest.raises(BadSettings, match="'kafka' is not host:port"):
        kafka_accepts("127.0.0.1:1,kafka")


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_has_help(name: str) -> None:
    answer = CliRunner().invoke(cli.main, [name, "--help"])
    assert answer.exit_code == 0
    assert answer.output.startswith(f"Usage: main {name}")
    assert len(answer.output.splitlines()) > 3, "it says what it does"


def test_a_command_with_a_bad_setting() -> None:
    code, said = _ends("cli", "migrate", CHARTS_POSTGRES_URL="postgresql://charts@127.0.0.1:1/charts")
    assert code == 3
    assert _is_one_line(said, "Postgres does not answer"), said


@pytest.mark.parametrize(
    ("error", "code"),
    [(BadSettings, 2), (Unreachable, 3), (LogMismatch, 4), (BrokenInvariant, 5), (NotFound, 1)],
)
def test_each_kind_of_error_has_its_exit_code(
    error: type[ChartsError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, ending_in_one_line():
        raise error("so it is")
    assert ended.value.code == code


def test_an_error_that_is_not_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), ending_in_one_line():
        _ = 1 / 0
