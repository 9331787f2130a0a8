"""The data folder of the embedded stack: one stack at a time, its secrets, what outlives a stop.

secrets.json   passwords and keys, made once        postgres/   accounts, catalogue, final charts
objects/       the lake                             workers/    tallies, of the running log alone
logs/          one file per process                 charts.env  the running stack's settings, for a shell
"""

import fcntl
import os
import secrets
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

import orjson

from charts.errors import BadSettings

_KEPT = ("postgres", "postgres.new", "postgres.secret", "objects", "objects.json", "secrets.json")
#: A folder without this file was not made by us: nothing in it is ever deleted.
_MARK = "livecharts"
_SETTINGS = "charts.env"


def _secret() -> str:
    return secrets.token_hex(24)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the parts of one stack prove themselves with."""

    postgres_admin: str = field(default_factory=_secret)
    postgres_charts: str = field(default_factory=_secret)
    s3_access: str = field(default_factory=_secret)
    s3_secret: str = field(default_factory=_secret)
    jwt: str = field(default_factory=_secret)


class Folder:
    """One data folder, ours alone while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.workers = self.path / "workers"
        self._lock: IO[str] | None = None

    def open(self, fresh: bool) -> Secrets:
        """Take the folder; raises BadSettings where it cannot be ours. Fresh forgets what was kept."""
        try:
            self._take()
        except OSError as error:
            raise BadSettings(f"data folder {self.path}: {error.strerror}") from None
        for name in ("workers", "logs", _SETTINGS, *(_KEPT if fresh else ())):
            _remove(self.path / name)
        self.logs.mkdir()
        self.workers.mkdir()
        return self._secrets()

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def _take(self) -> None:
        if self.path.is_dir() and any(self.path.iterdir()) and not (self.path / _MARK).exists():
            raise BadSettings(f"data folder {self.path} holds something else: give an empty one")
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = (self.path / _MARK).open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadSettings(f"another stack runs on the data folder {self.path}") from None

    def _secrets(self) -> Secrets:
        path = self.path / "secrets.json"
        if path.exists():
            return Secrets(**orjson.loads(path.read_bytes()))
        made = Secrets()
        _write_own(path, orjson.dumps(asdict(made)))
        return made

    def tell_settings(self, settings: Mapping[str, str]) -> None:
        """Write the running stack's settings down, for a shell to read."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(settings.items())]
        _write_own(self.path / _SETTINGS, "".join(lines).encode())


def _write_own(path: Path, content: bytes) -> None:
    """Make a file that its owner alone may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
