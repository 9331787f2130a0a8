"""The locks: whole, hashed, of no particular host, and such that any pip takes them."""

import re
import tomllib

import pytest

from tests.deploy.conftest import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-image.lock", "requirements-bench.lock")
_PIN = re.compile(
    r"(?P<name>[a-z0-9-]+)(?P<extras>\[[a-z, ]+\])?==(?P<version>[^ ]+)(?P<marker> ; .*?)? \\\n"
)
_HASHES = re.compile(r"(    --hash=sha256:[0-9a-f]{64}( \\\n|\n?$))+")


def pins(lock: str) -> dict[str, str]:
    """What stands before `==`, and what behind it."""
    blocks = re.split(r"\n(?=\S)", (ROOT / lock).read_text())
    found = {}
    for block in blocks:
        pin = _PIN.match(block)
        assert pin, block
        assert _HASHES.fullmatch(block[pin.end() :]), block
        found[pin["name"] + (pin["extras"] or "")] = block.partition("==")[2].rstrip("\n")
    return found


def wanted(lock: str) -> list[str]:
    """What pyproject.toml asks for in a lock."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if lock == "requirements-bench.lock":
        return said["dependency-groups"]["peers"]
    sets = {"requirements.lock": ("embedded",), "requirements-dev.lock": ("embedded", "dev")}
    optional = [said["project"]["optional-dependencies"][name] for name in sets.get(lock, ("image",))]
    return [*said["project"]["dependencies"], *(one for each in optional for one in each)]


@pytest.mark.parametrize("lock", LOCKS)
def test_all_that_is_asked_for_is_pinned_and_hashed(lock: str) -> None:
    held = pins(lock)
    for asked in wanted(lock):
        name = re.match(r"[A-Za-z0-9._-]+", asked)
        assert name
        assert re.sub(r"[._]", "-", name[0].lower()) in held


@pytest.mark.parametrize("lock", LOCKS)
def test_what_somebody_needs_with_extras_is_pinned_with_them_and_without(lock: str) -> None:
    """To pip 23.2 neither stands for the other."""
    held = pins(lock)
    assert any("[" in name for name in held), "the lock was made without extras"
    for name, rest in held.items():
        assert held[name.partition("[")[0]] == rest
