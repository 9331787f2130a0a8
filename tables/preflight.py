"""The check before a start: what cannot work is said in one line, before anything runs.

Kafka and the data folder are needed from the first moment. Postgres and the object store are not: charts
stay live without them, and the sinks catch up.
"""

import contextlib
import errno
import os
import socket
from pathlib import Path

from charts.errors import BadSettings, Unreachable
from charts.settings import Settings

#: A server that is up accepts within a second; three leave room for a loaded machine.
CONNECT_TIMEOUT_S = 3.0
#: Less room than this is none: RocksDB's first log and manifest need more.
_PROBE_BYTES = 1 << 20


async def preflight(settings: Settings) -> None:
    """What a worker needs at once; raises BadSettings or Unreachable. It blocks: nothing else runs yet."""
    writable(settings.worker_dir)
    listenable(settings.web_host, settings.web_port)
    kafka_accepts(settings.kafka_url)


async def preflight_lake(settings: Settings) -> None:
    """The same for the lake's worker, which needs to be told where the lake is."""
    if not settings.lake_url:
        raise BadSettings("CHARTS_LAKE_URL: the lake's worker needs s3://bucket/prefix or file:///path")
    await preflight(settings)


def writable(folder: Path) -> None:
    """The folder can be made and written to."""
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Bytes, not a name alone: a full disk still takes names.
        probe.write_bytes(bytes(_PROBE_BYTES))
        probe.unlink()
    except OSError as error:
        raise BadSettings(f"CHARTS_DATA_DIR: {folder} cannot be written: {error.strerror}") from None


def listenable(host: str, port: int) -> None:
    """Nobody else has our port; we ask before half a worker runs."""
    try:
        family, *_, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = "taken" if error.errno == errno.EADDRINUSE else str(error.strerror or error)
        raise BadSettings(f"CHARTS_WEB_PORT: {host}:{port} cannot be listened on: {reason}") from None


def kafka_accepts(servers: str) -> None:
    """One of the bootstrap servers takes a connection."""
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not port.isdigit():
            raise BadSettings(f"CHARTS_KAFKA_URL: {server!r} is not host:port")
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), CONNECT_TIMEOUT_S):
            return
    raise Unreachable(f"CHARTS_KAFKA_URL: no Kafka at {servers}")
