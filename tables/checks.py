"""Checks: which rows of a sheet are tracks, column by column; the first broken rule is the reason."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from charts.plain import plain_column
from charts.play import ID_LENGTH
from tables.sheets import COLUMNS, REQUIRED, Bad, Piece

#: Longest texts; ids are as long as a play's.
_LENGTHS = {
    **dict.fromkeys(("track_id", "artist_id", "album_id"), ID_LENGTH),
    **dict.fromkeys(("title", "artist", "album"), 512),
    "genre": 64,
    "cover_url": 2000,
}
_SHAPES = {
    "duration_ms": (r"^0*[1-9][0-9]{0,8}$", "is not a number of milliseconds"),
    "isrc": (r"^[A-Z]{2}[A-Z0-9]{3}[0-9]{7}$", "is not an ISRC"),
    "release_date": (r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$", "is not a date (2026-01-31, 2026-01 or 2026)"),
    "cover_url": (r"^https?://[^\s]+$", "is not an http address"),
}
_CONTROL = r"[\x00-\x1f\x7f]"
STAGED = ("line", *COLUMNS, "plain", "artist_plain", "album_plain")


def checked(piece: Piece) -> tuple[pa.Table, list[Bad]]:
    """The good rows, ready to be staged, and every bad one with its line and reason."""
    columns = {name: _tidy(name, column) for name, column in piece.columns.items()}
    good = np.ones(len(piece.lines), np.bool_)
    reasons: dict[int, str] = {}

    def require(mask: Any, reason: str) -> None:
        holds = pc.fill_null(mask, True).to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(good & ~holds).tolist():
            reasons[row] = reason
        good[~holds] = False

    for name in REQUIRED:
        require(pc.is_valid(columns[name]), f"{name} is missing")
    for name, most in _LENGTHS.items():
        require(pc.less_equal(pc.utf8_length(columns[name]), most), f"{name} is over {most} characters")
    for name in COLUMNS:
        require(
            pc.invert(pc.match_substring_regex(columns[name], _CONTROL)), f"{name} has control characters"
        )
    for name, (shape, reason) in _SHAPES.items():
        require(pc.match_substring_regex(columns[name], shape), f"{name} {reason}")
    columns["release_date"], real = _dates(columns["release_date"])
    require(real, "release_date is no day of the calendar")
    table = pa.table(
        [
            pa.array(piece.lines, pa.int64()),
            *(columns[name] for name in COLUMNS),
            *(plain_column(columns[name]) for name in ("title", "artist", "album")),
        ],
        names=list(STAGED),
    )
    bad = piece.bad + [(piece.lines[row], reason) for row, reason in reasons.items()]
    return table.filter(pa.array(good)), sorted(bad)


def _tidy(name: str, column: pa.Array) -> pa.Array:
    """Without space around it; an empty text is none."""
    column = pc.utf8_trim_whitespace(column)
    if name == "isrc":
        column = pc.utf8_upper(pc.replace_substring(column, "-", ""))
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _dates(column: pa.Array) -> tuple[pa.Array, Any]:
    """Whole dates, a missing month or day being the first, and whether the calendar has them."""
    length = pc.utf8_length(column)
    full = pc.if_else(pc.equal(length, 4), pc.binary_join_element_wise(column, "01-01", "-"), column)
    full = pc.if_else(pc.equal(length, 7), pc.binary_join_element_wise(column, "01", "-"), full)
    times = pc.strptime(full, format="%Y-%m-%d", unit="s", error_is_null=True)
    same = pc.equal(pc.strftime(times, format="%Y-%m-%d"), full)
    # Arrow has a year 0; Postgres goes from 1 BC to AD 1, as people do.
    real = pc.and_(same, pc.invert(pc.starts_with(full, "0000")))
    return full, pc.or_kleene(pc.is_null(full), pc.fill_null(real, False))
