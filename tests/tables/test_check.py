"""`charts check` on the real servers: what it finds well, what it finds wrong, and how it ends."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from simulator.process import Process
from simulator.servers import free_ports
from tests.brokers import APACHE, ENVIRON
from tests.conftest import Lake
from tests.counting import DEADLINE_S, ROOT, Counting, counting

NOWHERE = {
    "CHARTS_KAFKA_URL": "127.0.0.1:1",
    "CHARTS_POSTGRES_URL": "postgresql://charts@127.0.0.1:1/charts",
    "CHARTS_LAKE_URL": "file:///proc/nowhere",
}


def check(environ: dict[str, str], *words: str) -> tuple[int, str, str]:
    """How the command ends, and what it printed where."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHARTS_")}
    done = subprocess.run(
        [sys.executable, "-m", "cli", "check", *words],
        env=inherited | environ,
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def wrong(environ: dict[str, str], *words: str) -> dict[str, str]:
    """What is not as it should be: what, and what it says."""
    code, said, errors = check(environ, "--json", *words)
    answer = orjson.loads(said)
    found = {f"{row['part']} {row['what']}": row["says"] for row in answer["checks"] if not row["ok"]}
    assert (code, answer["ok"]) == ((1, False) if found else (0, True)), errors
    return found


async def becomes(environ: dict[str, str], fact: Callable[[dict[str, str]], bool], *words: str) -> None:
    """Wait until the command finds something."""
    deadline = time.monotonic() + DEADLINE_S
    while not fact(found := await asyncio.to_thread(wrong, environ, *words)):
        assert time.monotonic() < deadline, found


def lake_worker(worker: Counting, folder: Path) -> tuple[Process, str]:
    [port] = free_ports(1)
    command = [sys.executable, "-m", "faust", "-A", "faust_app:lake", "worker"]
    environ = worker.environ | {"CHARTS_WEB_PORT": str(port)}
    process = Process("lake worker", command, folder / "lake.log", environ=environ, folder=ROOT)
    return process.start(), f"http://127.0.0.1:{port}"


async def test_a_whole_stack_is_well_until_something_ends(
    kafka: str, tmp_path: Path, database_url: str, lake_s3: Lake
) -> None:
    there = {"CHARTS_POSTGRES_URL": database_url, "CHARTS_LAKE_URL": lake_s3.url, **lake_s3.environ}
    async with counting(kafka, tmp_path, "wellness", **there) as worker:
        lake, address = lake_worker(worker, tmp_path)
        try:
            await becomes(worker.environ, lambda found: not found, "--worker", address)
        finally:
            lake.stop()
        if APACHE:  # the embedded broker goes on counting those who left
            group = "kafka group livecharts-lake-wellness"
            await becomes(worker.environ, lambda found: found.keys() == {group}, "kafka")
        code, table, _ = await asyncio.to_thread(check, worker.environ, "--worker", address)
        assert code == 1
        assert "\x1b" not in table, "colours are for terminals"
        for words in ("song-plays-wellness", "group", "WRONG", "partition 0", "a probe was written"):
            assert words in table
        assert set(wrong(worker.environ, "workers", "--worker", address)) == {f"workers {address}"}
        assert wrong(worker.environ, "store", "workers", "postgres") == {}
        owner = f"workers {worker.session._base_url}".rstrip("/")
    await becomes(
        worker.environ, lambda found: "silent for" in found.get("workers partition 0", ""), "workers"
    )
    assert wrong(worker.environ, "workers")[owner].startswith("does not answer")


async def test_topics_that_are_kept_otherwise_are_named(kafka: str, tmp_path: Path) -> None:
    environ = {**ENVIRON, "CHARTS_KAFKA_URL": kafka, "CHARTS_LOG_ID": "kept", "CHARTS_CLOCK": "log"}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    plays = NewTopic("song-plays-kept", 2, 1, topic_configs={"message.timestamp.after.max.ms": "3600000"})
    await admin.create_topics([plays, NewTopic("chart-boards-kept", 3, 1)])
    await admin.close()
    found = await asyncio.to_thread(wrong, environ, "kafka")
    assert "message.timestamp.after.max.ms=" in found["kafka topic song-plays-kept"]
    assert "3 partitions, the plays have 2" in found["kafka topic chart-boards-kept"]
    assert "cleanup.policy=" in found["kafka topic chart-boards-kept"]
    assert "is missing" in found["kafka topic livecharts-kept-tally-changelog"]


async def test_where_there_is_no_lake_none_is_missed() -> None:
    assert await asyncio.to_thread(wrong, {"CHARTS_LAKE_URL": ""}, "store") == {}


async def test_a_database_of_before_wants_a_migration(database_url: str, database: object) -> None:
    await database.execute("DELETE FROM schema_migrations WHERE version = 4")
    found = await asyncio.to_thread(wrong, {"CHARTS_POSTGRES_URL": database_url}, "postgres")
    assert "wants `charts migrate`: 004_lake" in found["postgres server"]


def test_on_a_terminal_it_has_colours() -> None:
    ours, terminal = os.openpty()
    environ = {**NOWHERE, "PATH": os.defpath, "TERM": "xterm-256color", "COLUMNS": "200"}
    command = [sys.executable, "-m", "cli", "check", "postgres"]
    done = subprocess.run(command, env=environ, cwd=ROOT, stdout=terminal, timeout=120, check=False)
    said = os.read(ours, 1 << 16).decode()
    os.close(terminal)
    os.close(ours)
    assert done.returncode == 1
    assert "\x1b[1;31mWRONG\x1b[0m" in said


def test_servers_that_are_away_are_a_line_each() -> None:
    code, said, errors = check(NOWHERE)
    assert (code, errors) == (1, "")
    assert said.count("WRONG") == 4
    assert set(wrong(NOWHERE)) >= {"postgres server", "store file:///proc/nowhere", "kafka 127.0.0.1:1"}


@pytest.mark.parametrize("word", ["everything", "--jsn"])
def test_a_wrong_call(word: str) -> None:
    assert check({}, word)[0] == 2
