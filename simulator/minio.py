"""MinIO itself, on loopback: an object store of production, where the embedded one stands in for it.

Go's own client builds it from the module proxy, once, into build/: four minutes on two cores. For tests, and
for whoever wants to see the lake on the real thing.
"""

import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from botocore.session import get_session

from charts.errors import BadSettings, Unreachable
from simulator.objects import Keys, answers
from simulator.ports import LOOPBACK
from simulator.process import Process

#: The newest the proxy has; MinIO's releases are no versions to Go.
VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
#: What was built before is used again.
PROGRAM = Path(__file__).parents[1] / "build" / f"minio-{VERSION.rsplit('-', 1)[1]}" / "minio"
_BUILD_S = 1_200
_START_S = 60


class MinIO:
    """One node, one drive; the objects stay in the folder."""

    BUCKET = "charts"
    PORTS = 1

    def __init__(self, folder: Path, ports: Sequence[int], keys: Keys) -> None:
        self.keys = keys
        self.endpoint = self.address = f"http://{LOOPBACK}:{ports[0]}"
        self.url = f"s3://{self.BUCKET}"
        self.environ = keys.environ(self.endpoint)
        self._folder = folder / "minio"
        settings = {
            "MINIO_ROOT_USER": keys.access,
            "MINIO_ROOT_PASSWORD": keys.secret,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "HOME": str(folder),
        }
        self.process = Process(
            "MinIO",
            [PROGRAM, "server", "--quiet", "--address", f"{LOOPBACK}:{ports[0]}", self._folder],
            folder / "minio.log",
            environ=settings,
            folder=folder,
        )

    def start(self) -> None:
        build()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.process.start()

    def wait(self) -> None:
        """Ready when it serves, and the bucket is there."""
        self.process.wait_until(lambda: answers("GET", f"{self.endpoint}/minio/health/ready"), _START_S)
        client = get_session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.environ["AWS_REGION"],
            aws_access_key_id=self.keys.access,
            aws_secret_access_key=self.keys.secret,
        )
        if self.BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=self.BUCKET)

    def stop(self) -> None:
        self.process.stop()


def build() -> None:
    """Have Go build it, unless it is here."""
    if PROGRAM.exists():
        return
    go = shutil.which("go")
    if go is None:
        raise BadSettings("MinIO is built by Go, and there is no go here")
    PROGRAM.parents[1].mkdir(exist_ok=True)
    with (PROGRAM.parents[1] / "minio.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not PROGRAM.exists():
            _build(go)


def _build(go: str) -> None:
    """Under another name first: half a program never looks like one."""
    draft = PROGRAM.parent.with_name(f"{PROGRAM.parent.name}.new")
    command = [go, "install", f"github.com/minio/minio@{VERSION}"]
    environ = {**os.environ, "GOBIN": str(draft)}
    try:
        Process("Go", command, draft.with_name("go.log"), environ=environ, folder=draft.parent).run(_BUILD_S)
    except Unreachable as error:
        raise Unreachable(f"MinIO {VERSION} cannot be built from Go's module proxy: {error}") from None
    draft.rename(PROGRAM.parent)
