"""The README says what is: settings, folders, commands."""

import re
import subprocess
from pathlib import Path

from click.testing import CliRunner

import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_table_of_settings_is_the_settings() -> None:
    table = CliRunner().invoke(cli.main, ["settings", "--markdown"]).output
    assert table in README, "the settings changed: make readme"


def test_every_folder_is_in_the_table() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    folders = {f"`{path.split('/')[0]}/`" for path in tracked.split() if "/" in path and path[0] != "."}
    assert folders == set(re.findall(r"^\| (`\w+/`)", README, re.MULTILINE))


def test_every_make_target_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`(?:\$ )?make ([a-z-]+)", README)) <= targets
