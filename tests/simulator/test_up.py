"""`charts up`: a live chart from one command, and nothing left behind however it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest

from simulator.catalogue import Catalogue
from simulator.ports import free_block
from simulator.stack import PORTS
from simulator.world import World

#: A loaded machine, two of whose cores run other tests, needs longer than a laptop.
START_TIMEOUT_S = 180.0
pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kept from start to start, as an operator's is."""
    return tmp_path_factory.mktemp("up") / "data"


class Up:
    """One run of the command, its output, and every process it ever had."""

    def __init__(self, data_dir: Path, port: int, output: Path) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.output = output
        command = [sys.executable, "-m", "cli", "up", "--port", str(port), "--data-dir", str(data_dir)]
        with output.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        #: The processes it started, as found when charts were there.
        self.children: set[int] = set()

    def wait_for_charts(self) -> None:
        _until(lambda: "The charts:" in self.said() or self.process.poll() is not None, START_TIMEOUT_S)
        assert self.process.poll() is None, self.said()
        self.children = _children(self.process.pid)

    def said(self) -> str:
        return self.output.read_text()

    def left(self) -> set[int]:
        """Which of its processes still run."""
        return {pid for pid in self.children if _runs(pid)}


@contextmanager
def started(data_dir: Path) -> Iterator[Up]:
    port = free_block(len(PORTS))
    up = Up(data_dir, port, data_dir.with_name(f"up-{port}.txt"))
    try:
        up.wait_for_charts()
        yield up
    finally:
        up.process.kill()
        up.process.wait()
        _until(lambda: not up.left(), 15)


def test_interrupted_it_ends_within_ten_seconds_and_leaves_nothing(data_dir: Path) -> None:
    with started(data_dir) as up:
        chart = _get(f"{up.address}/v1/charts/global/hour?limit=5")
        assert chart["plays"] > 0
        assert chart["entries"][0]["rank"] == 1
        assert re.search(r"name admin, password \S{16}", up.said()), "said on the first start"
        most = Catalogue(World().seed, World().tracks).track(0)
        found = _get(f"{up.address}/v1/search?q={quote(most.title)}")["tracks"]
        assert most.track_id in {track["id"] for track in found}, "what is played most has a name"
        assert (data_dir / "charts.env").stat().st_mode & 0o077 == 0
        asked = f". {data_dir}/charts.env && exec {sys.executable} -m cli check"
        check = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, timeout=60, check=False)
        assert check.returncode == 0, check.stdout + check.stderr
        began = time.monotonic()
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(30) == 0, up.said()
        assert time.monotonic() - began < 10, "Ctrl-C promises ten seconds"
        assert not up.left()


def test_terminated_it_leaves_nothing_and_mends_a_killed_worker_before(data_dir: Path) -> None:
    with started(data_dir) as up:
        assert "password" not in up.said(), "the admin of the first start is kept, his password is not"
        workers = [path.name for path in (data_dir / "workers").iterdir()]
        assert len(workers) == 1, "folders of earlier logs are gone"
        worker = next(pid for pid in up.children if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(worker, signal.SIGKILL)
        _until(lambda: "ended with -9, started again" in up.said(), 15)
        up.children = _children(up.process.pid)
        counted = _counted(up)
        _until(lambda: (_counted(up) or 0) > (counted or 0), START_TIMEOUT_S)
        up.process.terminate()
        assert up.process.wait(30) == 0, up.said()
        assert not up.left()


def test_killed_it_leaves_nothing(data_dir: Path) -> None:
    with started(data_dir) as up:
        assert len(up.children) >= 5
        up.process.kill()
        up.process.wait()
        _until(lambda: not up.left(), 15)


def test_ports_that_are_taken_are_all_named_before_anything_starts(tmp_path: Path) -> None:
    port = free_block(len(PORTS))
    with (
        socket.create_server(("127.0.0.1", port)),
        socket.create_server(("127.0.0.1", port + 2)),
    ):
        up = Up(tmp_path / "data", port, tmp_path / "said")
        assert up.process.wait(30) == 2
    assert up.said() == (
        f"charts: already taken: port {port} (page), {port + 2} (Postgres); choose others with --port\n"
    )
    assert not (tmp_path / "data").exists()


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.tex").write_text("ten years")
    up = Up(tmp_path / "data", free_block(len(PORTS)), tmp_path / "said")
    assert up.process.wait(30) == 2
    assert up.said() == f"charts: data folder {tmp_path / 'data'} holds something else: give an empty one\n"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    up = Up(tmp_path / "file" / "data", free_block(len(PORTS)), tmp_path / "said")
    assert up.process.wait(30) == 2
    assert up.said() == f"charts: data folder {tmp_path / 'file' / 'data'}: Not a directory\n"


def _counted(up: Up) -> int | None:
    try:
        return int(_get(f"{up.address}/v1/charts/global/day?limit=1")["plays"])
    except OSError:
        return None


def _get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=10) as response:
        return orjson.loads(response.read())


def _children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _until(fact: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not fact():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
