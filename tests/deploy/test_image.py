"""The image: what the Dockerfile builds is what runs here, and nothing else gets in."""

import re
import tomllib

from tests.deploy.conftest import ROOT, checked, tool
from tests.deploy.words import must_be_settings, must_run

DOCKERFILE = (ROOT / "Dockerfile").read_text()
IGNORED = (ROOT / ".dockerignore").read_text().split("\n")


def _pinned(lock: str) -> dict[str, str]:
    """Name → version and hashes."""
    blocks = re.split(r"\n(?=\S)", (ROOT / lock).read_text())
    return {block.split("==")[0]: block for block in blocks if "==" in block}


def test_hadolint_finds_nothing() -> None:
    checked(tool("hadolint"), "Dockerfile")


def test_it_starts_a_worker() -> None:
    [command] = re.findall(r"^CMD \[(.*)\]$", DOCKERFILE, re.MULTILINE)
    must_run(re.findall(r'"([^"]+)"', command))


def test_its_environment_is_settings() -> None:
    must_be_settings(re.findall(r"(CHARTS_\w+)=", DOCKERFILE))


def test_it_has_what_the_worker_needs_as_locked_and_none_of_the_embedded_servers() -> None:
    image, whole = _pinned("requirements-image.lock"), _pinned("requirements.lock")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    embedded = set(project["optional-dependencies"]["embedded"]) - {"setuptools>=69"}
    assert embedded and not embedded & set(image)
    assert {name: whole[name] for name in image} == image
    assert {re.split(r"[\[=><]", wanted)[0] for wanted in project["dependencies"]} <= set(image)


def test_only_what_the_package_is_made_of_reaches_the_builder() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    modules = {f"{name}.py" for name in setuptools["py-modules"]}
    needed = (
        modules | set(setuptools["packages"]) | {"pyproject.toml", "README.md", "requirements-image.lock"}
    )
    assert IGNORED[1] == "*"
    assert {line[1:] for line in IGNORED if line.startswith("!")} == needed


def test_it_never_runs_as_root() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
