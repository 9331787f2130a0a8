"""Statements: kept in SQL files, each under a line `-- name`, read once."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- ([a-z_]+)$", re.MULTILINE)


@cache
def queries(file: str) -> Mapping[str, str]:
    """Name → statement of one file; whatever stands before the first name is its introduction."""
    _, *parts = _NAME.split((FOLDER / f"{file}.sql").read_text())
    return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
