"""The object store: SeaweedFS from its wheel, with an S3 door; the objects stay in the folder."""

import contextlib
import signal
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import orjson

from simulator.ports import LOOPBACK
from simulator.process import Process
from simulator.wheels import PLAIN


@dataclass(frozen=True, slots=True)
class Keys:
    """The one account of the object store."""

    access: str
    secret: str

    def environ(self, endpoint: str) -> dict[str, str]:
        """What a client needs, under the names botocore reads."""
        return {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": self.access,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


class ObjectStore:
    """SeaweedFS with an S3 door; the objects stay in the folder."""

    BUCKET = "charts"
    PORTS = 9
    #: Its admin port's gRPC twin lies this far above, whatever it is told.
    ADMIN_GAP = 10_000

    def __init__(
        self,
        folder: Path,
        ports: Sequence[int],
        keys: Keys,
        log: Path | None = None,
        more: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.keys = keys
        self.endpoint = self.address = f"http://{LOOPBACK}:{ports[0]}"
        self.url = f"s3://{self.BUCKET}"
        self.environ = keys.environ(self.endpoint)
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
            **more,
        }
        self.process = Process(
            "object store",
            [_scripts() / "weed", "-logtostderr=true", "mini", *(f"-{k}={v}" for k, v in options.items())],
            log or folder / "objects.log",
            environ=PLAIN,
            folder=folder,
            stop_signal=signal.SIGINT,
        )

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
            answers("GET", f"{self.endpoint}/healthz")
            and answers("GET", f"{self._filer}/buckets/{self.BUCKET}/")
            and answers("PUT", f"{self._filer}/ready", b"yes")
        )


def _scripts() -> Path:
    return Path(sysconfig.get_path("scripts"))


def answers(method: str, url: str, body: bytes | None = None) -> bool:
    """Whether an HTTP server says yes."""
    request = urllib.request.Request(url, body, method=method)  # noqa: S310
    with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(request, timeout=5):  # noqa: S310
        return True
    return False
