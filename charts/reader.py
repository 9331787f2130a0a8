"""Reading: what a record is, by Arrow's JSON reader, whose word on the record alone is the authority.

What one record *is* must not depend on the records it was fetched with, or a replay could judge differently.
So a whole run goes through the reader only where that cannot change the answer: every value is one `{…}` on
one line, and rows equal records. Then no record can lean on its neighbour (an open brace or string never
survives `}` newline `{`).
"""

from collections.abc import Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.json as pj

from charts.errors import MalformedPlay
from charts.fields import NUMBERS, SCHEMA, TEXTS
from charts.slices import NEWLINE, Slices

_PARSE = pj.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="ignore", newlines_in_values=True)
_SPACE = b" \t\r\n"


def read(values: Slices, reasons: dict[int, str]) -> pa.Table:
    """The fields of every value; rows that are none get a reason and mean nothing."""
    table = _read(values) if len(values) else None
    return _read_doubtful(list(values), reasons) if table is None else table


def _read(values: Slices) -> pa.Table | None:
    """All values in one parse, or None where they need a closer look."""
    if values.lengths.min() < 2:
        return None
    text, lengths = values.lines(), values.lengths
    octets = np.frombuffer(text, np.uint8)
    ends = np.cumsum(lengths + 1) - 1
    if np.count_nonzero(octets == NEWLINE) != len(values):
        return None
    if (octets[ends - lengths] != 0x7B).any() or (octets[ends - 1] != 0x7D).any():
        return None
    try:
        table = _parse(text)
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    return table if table.num_rows == len(values) else None


def _parse(text: pa.Buffer) -> pa.Table:
    """The reader itself, in one block and on this thread; text that is not UTF-8 is refused whole."""
    bounds = pa.py_buffer(np.array([0, text.size], np.int64))
    pa.LargeStringArray.from_buffers(1, bounds, text).validate(full=True)
    options = pj.ReadOptions(use_threads=False, block_size=text.size + 1)
    return pj.read_json(pa.BufferReader(text), read_options=options, parse_options=_PARSE)


def _read_doubtful(values: Sequence[bytes | None], reasons: dict[int, str]) -> pa.Table:
    """Value by value where needed: those a quick look finds sound together, the others alone."""
    tidy = [_tidy(value) for value in values]
    sound = [row for row, value in enumerate(tidy) if _looks_sound(value)]
    pieces = _bisect(tidy, sound, reasons)
    apart = set(range(len(values))) - set(sound)
    for row in sorted(apart):
        pieces.append(([row], _alone(tidy[row], row, reasons)))
    order = np.array([row for rows, _ in pieces for row in rows], np.int64)
    table = pa.concat_tables([piece for _, piece in pieces] or [SCHEMA.empty_table()])
    return table.take(pa.array(np.argsort(order)))


def _tidy(value: bytes | None) -> bytes:
    """Space around a value is no part of it; a newline within becomes the space that strings refuse too."""
    if not value:
        return b""
    return value.strip(_SPACE).replace(b"\n", b"\r")


def _looks_sound(value: bytes) -> bool:
    """A guess that only saves time: the reader decides."""
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return (
        isinstance(fields, dict)
        and all(type(fields.get(name)) in (str, type(None)) for name in TEXTS)
        and all(type(fields.get(name)) in (int, type(None)) for name in NUMBERS)
    )


def _bisect(
    values: list[bytes], rows: list[int], reasons: dict[int, str]
) -> list[tuple[list[int], pa.Table]]:
    if not rows:
        return []
    table = _read(Slices.of([values[row] for row in rows]))
    if table is not None:
        return [(rows, table)]
    if len(rows) == 1:
        return [(rows, _alone(values[rows[0]], rows[0], reasons))]
    half = len(rows) // 2
    return _bisect(values, rows[:half], reasons) + _bisect(values, rows[half:], reasons)


def _alone(value: bytes, row: int, reasons: dict[int, str]) -> pa.Table:
    """What the reader says of one value: its row, or an empty row with the reason."""
    try:
        # Not a courtesy: pyarrow's reader crashes on a bare `null`.
        if not value.startswith(b"{"):
            raise MalformedPlay("no JSON object" if value else "empty")
        table = _parse(pa.py_buffer(value))
        if table.num_rows != 1:
            raise MalformedPlay("more than one JSON object")
        return table
    except (pa.ArrowInvalid, UnicodeDecodeError, MalformedPlay) as error:
        reasons[row] = _reason(error)
        return pa.Table.from_pylist([{}], schema=SCHEMA)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError) or "UTF8" in str(error):
        return "not UTF-8"
    return str(error).removeprefix("JSON parse error: ").removesuffix(" in row 0")[:200]
