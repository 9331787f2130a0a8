"""The stand of the HTTP figures: a broker, a Postgres and one worker of our own, each its own process."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from charts.settings import Settings
from simulator.process import Process
from simulator.servers import Kafka, Postgres, free_ports
from tables.accounts import Accounts
from tables.keys import Keys
from tables.migrations import migrate
from tables.postgres import Database
from web.tokens import Keyring

ROOT = Path(__file__).parents[1]
READY_TIMEOUT_S = 90.0
PARTITIONS = 4


@dataclass(frozen=True)
class Stand:
    """Where everything is."""

    address: str
    settings: Settings
    kafka: Kafka
    worker: Process
    key: str
    token: str

    @property
    def rss_mb(self) -> float:
        """The worker's memory."""
        for line in Path(f"/proc/{self.worker.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    @property
    def cpu_s(self) -> float:
        """The worker's processor time so far."""
        fields = Path(f"/proc/{self.worker.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def standing(**environ: str) -> Iterator[Stand]:
    """Starts all of it; stops all of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        ports = free_ports(3)
        kafka = Kafka(folder, ports[0])
        postgres = Postgres(folder, ports[1], secrets.token_hex(8), ("fsync=off",))
        settings = Settings(
            kafka_url=kafka.url,
            broker="tansu",
            postgres_url=postgres.url(),  # type: ignore[arg-type]
            data_dir=folder / "workers",
            log_id=f"bench{secrets.token_hex(3)}",
            partitions=PARTITIONS,
            public_read=True,
            jwt_secret=secrets.token_hex(32),  # type: ignore[arg-type]
            web_port=ports[2],
            log_level="warning",
            rate_read=0,
            rate_ingest=0,
            rate_live=0,
            **environ,  # type: ignore[arg-type]
        )
        log = folder / "worker.log"
        command = [sys.executable, "-m", "faust", "-A", "faust_app", "worker"]
        worker = Process("worker", command, log, environ=environ_of(settings), folder=ROOT)
        started: list[Kafka | Postgres] = []
        try:
            for server in (kafka, postgres):
                server.start()
                started.append(server)
            for server in started:
                server.wait()
            key, token = asyncio.run(_accounts(settings))
            worker.start()
            address = f"http://127.0.0.1:{ports[2]}"
            worker.wait_until(lambda: _is_ready(address), READY_TIMEOUT_S)
            yield Stand(address, settings, kafka, worker, key, token)
        except BaseException:
            sys.stderr.write(log.read_text()[-4000:] if log.exists() else "")
            raise
        finally:
            worker.stop(15)
            for server in reversed(started):
                server.stop()


def environ_of(settings: Settings) -> dict[str, str]:
    """The environment that makes a process have these settings."""
    own = {}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        own[f"CHARTS_{name.upper()}"] = str(plain).lower() if isinstance(plain, bool) else str(plain)
    return {**os.environ, **own, "PYTHONPATH": str(ROOT)}


async def _accounts(settings: Settings) -> tuple[str, str]:
    """An ingest key, and a viewer's token."""
    keyring = Keyring.of(settings)
    assert keyring is not None
    async with Database(settings.postgres_url.get_secret_value(), connections=1) as database:
        await migrate(database)
        password_hash = PasswordHasher().hash(secrets.token_urlsafe(12))
        user = await Accounts(database).create("bench", password_hash, "editor")
        _, key = await Keys(database).create(user.user_id, "bench", "DE", None)
    claims = {"sub": str(user.user_id), "name": "bench", "role": "viewer"}
    return key, keyring.issue(claims, 3600)


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/ready", timeout=2) as response:  # noqa: S310
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def spawn(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A load in a process of its own, so that measuring does not wait for sending."""
    return subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def ready(load: subprocess.Popen[bytes]) -> None:
    """Wait until it says so."""
    assert load.stdout is not None
    line = load.stdout.readline()
    assert line == b"ready\n", line


def told(load: subprocess.Popen[bytes]) -> Any:
    """What it tells at its end."""
    assert load.stdout is not None
    text = load.stdout.read()
    load.wait()
    return json.loads(text)


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def figures(seconds: list[float]) -> dict[str, float]:
    """Latencies in milliseconds, as they are told."""
    shares = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    return {f"{name}_ms": round(quantile(seconds, share) * 1000, 2) for name, share in shares}


def wall_ms() -> float:
    return time.time_ns() / 1e6
