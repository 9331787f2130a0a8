"""The shell scripts: shellcheck has nothing to say, and a wrong call says how to call."""

import re
import subprocess

import pytest

from tests.deploy.conftest import DEPLOY, ROOT, checked, tool
from tests.deploy.words import must_run

SCRIPTS = sorted([*DEPLOY.rglob("*.sh"), *(ROOT / ".ci").iterdir()])


def test_the_procfile_starts_what_runs_here_on_ports_of_their_own() -> None:
    """For honcho, which ends everything when one process ends: so only what stays."""
    lines = [line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines()]
    ports = []
    for name, line in lines:
        environ, _, command = line.rpartition("exec ")
        ports.append(re.findall(r"CHARTS_WEB_PORT=(\d+)", environ))
        assert name in {"worker", "lake"}
        must_run(command.split())
    assert ports == [[], ["6069"]], "the worker has the one of the settings"


def test_shellcheck_finds_nothing() -> None:
    checked(tool("shellcheck"), *SCRIPTS)


@pytest.mark.parametrize("name", ["deploy.sh", "port-forward.sh"])
def test_a_wrong_call_says_how(name: str) -> None:
    done = subprocess.run([DEPLOY / name, "nowhere"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"deploy/{name} ")
