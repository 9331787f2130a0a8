"""The embedded stack: everything Livecharts needs on one machine, started in order and stopped in order.

Kafka remembers nothing, so every start is a new log with an id of its own; accounts, catalogue, final
charts and the lake stay in the data folder.
"""

import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from charts.errors import BadSettings, Unreachable
from charts.window import rfc3339
from simulator.catalogue import Catalogue
from simulator.folder import Folder, Secrets
from simulator.process import Process, stop_all
from simulator.servers import LOOPBACK, Kafka, Keys, ObjectStore, Postgres, accepts, busy_ports
from simulator.world import World

#: A stack listens on the page's port and the ones after it: a second stack needs only another --port.
PORTS = ("page", "Kafka", "Postgres", "lake worker", *["object store"] * ObjectStore.PORTS)
#: Joining a group, recovery and the first flush of a worker, on a loaded laptop.
READY_TIMEOUT_S = 90.0
#: Ctrl-C promises an end within ten seconds: first the plays stop, then who counts them, then the servers.
STOP_SIMULATOR_S, STOP_WORKERS_S, STOP_SERVERS_S = 1.0, 5.0, 3.0
#: Half of what is played; importing all takes half a minute.
NAMED_TRACKS = 5_000
#: A day of plays is sent in seconds; a week may take a minute.
PAST_TIMEOUT_S = 300.0

#: Where our modules lie, installed or not.
_ROOT = Path(__file__).parents[1]
#: What suits one machine, if the operator set nothing else.
_CHOSEN = {"CHARTS_FLUSH_INTERVAL": "2", "CHARTS_LOG_FORMAT": "text"}
#: Told what stands, as it stands: a name and a remark.
Tell = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the operator chose."""

    port: int
    data_dir: Path
    rate: float
    regions: int
    partitions: int
    fresh: bool = False
    #: So many hours of plays are sent before the first live one.
    past_h: float = 0


class Stack:
    """The processes of one run."""

    def __init__(self, plan: Plan, tell: Tell) -> None:
        self.plan = plan
        self.folder = Folder(plan.data_dir)
        self.log_id = datetime.now(UTC).strftime("%Y%m%dt%H%M%S")
        self.address = f"http://{LOOPBACK}:{plan.port}"
        self._ports = range(plan.port, plan.port + len(PORTS))
        self._lake_port = self._ports[PORTS.index("lake worker")]
        self._tell = tell
        self._servers: list[Kafka | Postgres | ObjectStore] = []
        self.workers: list[Process] = []
        #: The settings of every process of ours, once the servers have their addresses.
        self.environ: dict[str, str] = {}
        self.simulator: Process | None = None

    def start(self) -> None:
        """Start everything in order; returns when there is a chart with plays in it."""
        self._refuse_busy_ports()
        passwords = self.folder.open(self.plan.fresh)
        kafka, postgres, objects = self._servers_of(passwords)
        for server in (kafka, postgres, objects):
            self._servers.append(server)
            server.start()
        given = self._settings(passwords, kafka, postgres, objects)
        self.environ = {**_CHOSEN, **os.environ, **given}
        self.folder.tell_settings(given)
        self._wait(kafka)
        self._wait(postgres)
        _make_database(postgres, passwords)
        # The workers take seconds to start and need no tables for it: they are made meanwhile.
        self._start_workers()
        self._fill_database(postgres)
        self._wait(objects)
        self._start_simulator()
        self._wait_for_charts()
        self._fill_catalogue(postgres)

    def stop(self) -> None:
        """Stop in order: nothing is sent that nobody counts, nothing is counted that cannot be stored."""
        stop_all([self.simulator] if self.simulator else [], STOP_SIMULATOR_S)
        stop_all(self.workers, STOP_WORKERS_S)
        stop_all([server.process for server in self._servers], STOP_SERVERS_S)
        self.folder.close()

    @property
    def kafka(self) -> Process:
        """The one process that cannot be started again: the log would be gone."""
        return self._servers[0].process

    @property
    def others(self) -> list[Process]:
        """Every process that may die and come back."""
        tail = [self.simulator] if self.simulator else []
        return [*(server.process for server in self._servers[1:]), *self.workers, *tail]

    def _refuse_busy_ports(self) -> None:
        if self._ports.stop + ObjectStore.ADMIN_GAP > 1 << 16:
            raise BadSettings(f"--port {self.plan.port} leaves no room: choose one below 55000")
        busy = busy_ports(self._ports)
        if busy:
            names = ", ".join(f"{port} ({PORTS[port - self.plan.port]})" for port in busy)
            raise BadSettings(f"already taken: port {names}; choose others with --port")

    def _servers_of(self, passwords: Secrets) -> tuple[Kafka, Postgres, ObjectStore]:
        path, logs = self.folder.path, self.folder.logs
        _, kafka, postgres, _, *objects = self._ports
        keys = Keys(passwords.s3_access, passwords.s3_secret)
        return (
            Kafka(logs, kafka),
            Postgres(path, postgres, passwords.postgres_admin, log=logs / "postgres.log"),
            ObjectStore(path, objects, keys, log=logs / "objects.log"),
        )

    def _wait(self, server: Kafka | Postgres | ObjectStore) -> None:
        server.wait()
        self._tell(server.process.name, server.address)

    def _settings(
        self, passwords: Secrets, kafka: Kafka, postgres: Postgres, objects: ObjectStore
    ) -> dict[str, str]:
        """What every process of ours must know of this stack."""
        return {
            "CHARTS_BROKER": "tansu",
            "CHARTS_KAFKA_URL": kafka.url,
            "CHARTS_POSTGRES_URL": postgres.url("charts", "charts", passwords.postgres_charts),
            "CHARTS_LAKE_URL": f"{objects.url}/lake",
            "CHARTS_DATA_DIR": str(self.folder.workers),
            "CHARTS_JWT_SECRET": passwords.jwt,
            "CHARTS_LOG_ID": self.log_id,
            "CHARTS_PARTITIONS": str(self.plan.partitions),
            "CHARTS_REPLICATION": "1",
            "CHARTS_PUBLIC_READ": "true",
            "CHARTS_WEB_HOST": LOOPBACK,
            "CHARTS_WEB_PORT": str(self.plan.port),
            **objects.environ,
        }

    def _fill_database(self, postgres: Postgres) -> None:
        """The tables, and on the first start somebody to log in as."""
        self._charts("migrate")
        if postgres.run_sql("SELECT count(*) FROM users WHERE role = 'admin'", "charts") == "0":
            password = secrets.token_urlsafe(12)
            self._charts("user", "create", "admin", "--role", "admin", "--password-file", "-", stdin=password)
            self._tell("admin", f"name admin, password {password} (said this once, kept nowhere)")

    def _fill_catalogue(self, postgres: Postgres) -> None:
        """On the first start, the tracks that are played most: so that a search finds them."""
        if postgres.run_sql("SELECT EXISTS (SELECT FROM tracks)", "charts") == "f":
            world = World()
            path = self.folder.path / "catalogue.jsonl"
            Catalogue(world.seed, world.tracks).export(path, NAMED_TRACKS)
            self._charts("catalog", "import", str(path))
            self._tell("catalogue", f"{NAMED_TRACKS:,} tracks; the others are left to name")

    def _charts(self, *arguments: str, stdin: str = "") -> None:
        """What an operator would type."""
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            input=stdin.encode(),
            capture_output=True,
            env=self.environ,
            cwd=_ROOT,
            timeout=READY_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise Unreachable(f"charts {arguments[0]}: {done.stderr.decode().strip()}")

    def _start_workers(self) -> None:
        worker = self._python("worker", "-m", "faust", "-q", "-A", "faust_app", "worker")
        lake = self._python(
            "lake worker",
            "-m",
            "faust",
            "-q",
            "-A",
            "faust_app:lake",
            "worker",
            CHARTS_WEB_PORT=str(self._lake_port),
        )
        self.workers = [worker, lake]
        for process in self.workers:
            process.start()

    def _start_simulator(self) -> None:
        """As soon as the worker listens: the topics are there, and what is sent meanwhile waits in them."""
        self.workers[0].wait_until(lambda: accepts(self.plan.port), READY_TIMEOUT_S)
        options = ("--rate", f"{self.plan.rate:g}", "--regions", str(self.plan.regions))
        if self.plan.past_h:
            past_s = round(self.plan.past_h * 3600)
            start = rfc3339((int(time.time()) - past_s) * 1000)
            burst = ("--burst", "--duration", str(past_s), "--start", start)
            self._python("past", "-m", "simulator", *options, *burst).run(PAST_TIMEOUT_S)
            self._tell("past", f"{self.plan.past_h:g} h of plays")
        self.simulator = self._python("simulator", "-m", "simulator", *options)
        self.simulator.start()

    def _wait_for_charts(self) -> None:
        assert self.simulator is not None
        worker, lake = self.workers
        worker.wait_until(lambda: _get(f"{self.address}/ready") is not None, READY_TIMEOUT_S)
        self._tell(worker.name, f"{self.address}/ready")
        lake.wait_until(lambda: accepts(self._lake_port), READY_TIMEOUT_S)
        self._tell(lake.name, f"log in {lake.log}")
        hour = f"{self.address}/v1/charts/global/hour?limit=1"
        self.simulator.wait_until(lambda: bool((_get(hour) or {}).get("plays")), READY_TIMEOUT_S)
        self._tell(self.simulator.name, f"{self.plan.rate:g} plays/s from {self.plan.regions} regions")

    def _python(self, name: str, *arguments: str, **environ: str) -> Process:
        log = self.folder.logs / f"{name.replace(' ', '-')}.log"
        return Process(
            name, [sys.executable, *arguments], log, environ={**self.environ, **environ}, folder=_ROOT
        )


def _make_database(postgres: Postgres, passwords: Secrets) -> None:
    """A role and a database of our own: the server's superuser is for the stack alone."""
    if postgres.run_sql("SELECT 1 FROM pg_roles WHERE rolname = 'charts'") != "1":
        postgres.run_sql(f"CREATE ROLE charts LOGIN PASSWORD '{passwords.postgres_charts}'")
    if postgres.run_sql("SELECT 1 FROM pg_database WHERE datname = 'charts'") != "1":
        postgres.run_sql("CREATE DATABASE charts OWNER charts")


def _get(url: str) -> Any:
    """The JSON at an address, or none where there is no good answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310
            return orjson.loads(response.read())
    except (urllib.error.URLError, OSError):
        return None
