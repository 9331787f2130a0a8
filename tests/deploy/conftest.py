"""What deploy/ says, read once, and the tools it is checked with.

hadolint, shellcheck and Kubernetes' schemas come from PyPI with the developers' set. promtool, Caddy,
kustomize and the compose specification's own reader are on the PATH, or in build/tools, where `.ci/tools`
puts them; a test that needs one is skipped where it is not.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
_PLACES = (Path(sys.executable).parent, ROOT / "build" / "tools")


def tool(name: str) -> str:
    """Where a tool is, or a skip that says how to have it."""
    found = shutil.which(name, path=os.pathsep.join([*map(str, _PLACES), os.environ.get("PATH", os.defpath)]))
    if found is None:
        pytest.skip(f"no {name} here: .ci/tools brings it")
    return found


def checked(*command: str | Path, folder: Path = ROOT, **environ: str) -> str:
    """What a tool says when it is content; else the test fails with what it complains of."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def documents(path: Path) -> list[Any]:
    return [found for found in yaml.safe_load_all(path.read_text()) if found]


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """docker-compose.yml, its anchors resolved."""
    [found] = documents(ROOT / "docker-compose.yml")
    return found
