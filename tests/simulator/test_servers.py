"""The embedded servers start, serve their clients, and go."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import pytest
from aiobotocore.session import get_session
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from botocore.exceptions import ClientError

from charts.errors import Unreachable
from simulator.process import Process
from simulator.servers import Kafka, Postgres, busy_ports, free_ports
from simulator.tether import NOBODY
from tables.postgres import Database
from tests.conftest import Lake


async def test_the_broker_keeps_what_it_was_sent(kafka: str, topic_name: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait(topic_name, b"a play")
    async with AIOKafkaConsumer(
        topic_name, bootstrap_servers=kafka, auto_offset_reset="earliest"
    ) as consumer:
        record = await consumer.getone()
    assert record.value == b"a play"


async def test_postgres_asks_for_its_password(postgres: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres, password="guessed")


async def test_a_test_has_a_migrated_database_of_its_own(database: Database) -> None:
    assert await database.fetchval("SELECT count(*) FROM schema_migrations") >= 0
    assert await database.fetchval("SHOW server_encoding") == "UTF8"


async def test_the_object_store_writes_a_key_once(lake_s3: Lake) -> None:
    bucket, prefix = lake_s3.url.removeprefix("s3://").split("/")
    async with get_session().create_client("s3") as client:
        key = f"{prefix}/chunk"
        await client.put_object(Bucket=bucket, Key=key, Body=b"one", IfNoneMatch="*")
        with pytest.raises(ClientError, match="PreconditionFailed"):
            await client.put_object(Bucket=bucket, Key=key, Body=b"two", IfNoneMatch="*")
        answer = await client.get_object(Bucket=bucket, Key=key)
        assert await answer["Body"].read() == b"one"


async def test_the_object_store_refuses_wrong_keys(lake_s3: Lake) -> None:
    async with get_session().create_client(
        "s3", aws_access_key_id=lake_s3.access_key, aws_secret_access_key="guessed"
    ) as client:
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            await client.list_buckets()


def test_postgres_keeps_its_data_in_a_folder_only_we_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    password = secrets.token_hex(8)
    for sql in ("CREATE TABLE kept AS SELECT 42 AS answer", "SELECT answer FROM kept"):
        server = Postgres(closed, *free_ports(1), password)
        server.start()
        try:
            server.wait()
            rows = server.run_sql(sql)
        finally:
            server.stop()
    assert rows == "42"


def test_a_server_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert busy_ports([port]) == [port]
        server = Postgres(tmp_path, port, "secret")
        server.start()
        try:
            with pytest.raises(Unreachable, match=r"Postgres ended at its start: .* \(see .*postgres\.log\)"):
                server.wait()
        finally:
            server.stop()


def test_a_broker_over_its_bound_is_refused_memory(tmp_path: Path) -> None:
    server = Kafka(tmp_path, *free_ports(1), data_bytes=1 << 20)
    server.start()
    try:
        with pytest.raises(Unreachable, match="Kafka ended"):
            server.wait()
    finally:
        server.stop()


_PARENT = """
import sys, time
from pathlib import Path
from simulator.process import Process
child = Process("child", [sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1])).start()
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path / "child.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert _runs(child)
        parent.kill()
    deadline = time.monotonic() + 60
    while _runs(child):
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.01)


_DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


def test_a_stubborn_child_is_stopped_by_force(tmp_path: Path) -> None:
    child = Process("child", [sys.executable, "-c", _DEAF], tmp_path / "log").start()
    child.wait_until(lambda: child.last_words() == "deaf", timeout_s=60)
    child.stop(timeout_s=0.1)
    assert not child.alive


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.skipif(os.getuid() != 0, reason="only root must become nobody")
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_as_nobody_postgres_keeps_no_more_than_it_needs(mode: int) -> None:
    """One capability where its programs lie in a closed folder, none where they do not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        closed = folder / "closed"
        closed.mkdir()
        closed.chmod(mode)
        program = closed / "sh"
        shutil.copy("/bin/sh", program)
        looks = f"id -u; [ -x {program} ] && echo found; grep CapEff /proc/self/status"
        process = Process("sh", [program, "-c", looks], folder / "log", nobody=True)
        process.run(60)
        uid, found, capabilities = process.log.read_text().split("\n")[:3]
    assert (uid, found) == (str(NOBODY), "found")
    assert int(capabilities.split()[1], 16) == (1 << 1 if mode == 0o700 else 0)
