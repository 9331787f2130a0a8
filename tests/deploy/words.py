"""The words an image is started with, and the environment it is given: do they exist here?"""

import re
from collections.abc import Mapping, Sequence
from importlib import import_module

import click

import cli
from charts.settings import Settings

#: Settings of ours that are read elsewhere: by botocore.
_BOTO = {
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SHARED_CREDENTIALS_FILE",
}
SETTINGS = {f"CHARTS_{name.upper()}" for name in Settings.model_fields}
#: The two processes of production, as DESIGN has them and the Procfile.
WORKERS = (["faust", "-q", "-A", "faust_app", "worker"], ["faust", "-q", "-A", "faust_app:lake", "worker"])


def must_run(command: Sequence[str]) -> None:
    """A command line of ours, or a shell's line of them, that this version takes."""
    if command[0] == "sh":
        lines = re.findall(r"charts [^|&;]+", command[-1])
        assert lines
        for line in lines:
            must_run(line.split())
    elif command[0] == "faust":
        assert list(command) in WORKERS
    else:
        assert command[0] == "charts", command
        _must_parse(list(command[1:]))


def _must_parse(words: list[str]) -> None:
    """Click takes them all; nothing runs."""
    module, attribute = cli.COMMANDS[words[0]][0].split(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, click.Group):
        found, words = found.commands[words[1]], words[1:]
    found.make_context(words[0], words[1:])


def must_be_settings(environ: Mapping[str, str] | Sequence[str]) -> None:
    """Every variable is one somebody reads."""
    assert set(environ) - SETTINGS - _BOTO - {"POD_NAME", "POD_IP"} == set()
