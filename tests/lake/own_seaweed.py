"""A SeaweedFS of the tests' own: to be paused, killed and started again."""

import http.client
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import orjson

BUCKET = "charts"
ACCESS, SECRET = "lake-tests", "lake-tests-secret"


class OwnSeaweed:
    """One server on free ports; the data folder outlives a kill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "seaweed"
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        who = {
            "name": "tests",
            "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
        (folder / "s3.json").write_bytes(orjson.dumps({"identities": [who]}))
        self._config = folder / "s3.json"
        self._ports = {name: free_port(grpc=True) for name in ("master", "volume", "filer")}

    @property
    def env(self) -> dict[str, str]:
        """What boto wants to know."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Start and wait until it answers S3."""
        command = [
            Path(sys.prefix, "bin", "weed"),
            "mini",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-dir={self.folder}",
            f"-s3.port={self.port}",
            f"-s3.config={self._config}",
            "-admin.ui=false",
            "-webdav=false",
            "-s3.port.iceberg=0",
            f"-bucket={BUCKET}",
            *(f"-{name}.port={port}" for name, port in self._ports.items()),
        ]
        log = (self.folder.parent / "seaweed.log").open("ab")
        with log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder.parent)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline, "SeaweedFS did not start"
            assert self.process.poll() is None, "SeaweedFS died at its start"
            time.sleep(0.05)

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        self.process.wait(30)
        self.process = None

    def _answers(self) -> bool:
        """The bucket exists, though it may be closed to strangers: 403 rather than 404 or 5xx."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("HEAD", f"/{BUCKET}")
            return connection.getresponse().status in {200, 403}
        except OSError:
            return False
        finally:
            connection.close()


def free_port(grpc: bool = False) -> int:
    """A free port; with gRPC the one 10,000 higher must be free too."""
    while True:
        with socket.socket() as probe, socket.socket() as higher:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            if not grpc:
                return port
            try:
                higher.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
            return port
