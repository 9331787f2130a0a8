"""Plays: the wire contract, for one play and for a run of thousands.

A run is read by pyarrow's JSON reader into columns, outside the GIL and without an object per play.
What one record *is* must not depend on the records it was fetched with, or a replay could judge
differently. So the reader's word on the record alone is the authority, and a whole run goes through it
only where that cannot change the answer: every value is one `{…}` on one line, and rows equal records.
Then no record can lean on its neighbour (an open brace or string never survives `}` newline `{`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from charts.errors import MalformedPlay
from charts.slices import NEWLINE, lacks_one, lengths_of, lines_of
from charts.window import HOUR_MS, TIME_END

PLAY_ID_LENGTH = 64
ID_LENGTH = 128
#: A record on the wire, in bytes. Larger ones could not be sent on, with what is said of them.
RECORD_BYTES_MAX = 1 << 16

_TEXTS = ("play_id", "user_id", "track_id", "region", "source", "title", "artist", "album")
_NUMBERS = ("played_at", "ms_played")
REQUIRED = ("play_id", "user_id", "track_id", "region", "played_at", "ms_played")
SCHEMA = pa.schema([(name, pa.string()) for name in _TEXTS] + [(name, pa.int64()) for name in _NUMBERS])
_PARSE = pj.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="ignore", newlines_in_values=True)
#: Columns nobody sent cost the reader as much as others: plays of the required fields alone are tried first.
_PARSE_PLAIN = pj.ParseOptions(
    explicit_schema=pa.schema([SCHEMA.field(name) for name in REQUIRED]),
    unexpected_field_behavior="error",
    newlines_in_values=True,
)
_SPACE = b" \t\r\n"
_CONTROL = "[\\x00-\\x1f]"


@dataclass(frozen=True, slots=True)
class Play:
    """One listening event: who, what, where, when, how long."""

    play_id: str
    user_id: str
    track_id: str
    region: str
    played_at: int
    ms_played: int
    source: str | None = None
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """The play by field; absent ones are left out."""
        known = {name: getattr(self, name) for name in (*REQUIRED, *_TEXTS[4:])}
        return {**self.extra, **{name: value for name, value in known.items() if value is not None}}

    def encode(self) -> bytes:
        """The play on the wire."""
        return orjson.dumps(self.fields())

    @classmethod
    def decode(cls, value: bytes) -> "Play":
        """One play from the wire; raises MalformedPlay with the reason."""
        plays = decode_run([value])
        if not plays.good[0]:
            raise MalformedPlay(plays.reasons[0])
        fields = {name: plays.table[name][0].as_py() for name in SCHEMA.names}
        try:
            extra = {k: v for k, v in orjson.loads(value).items() if k not in fields}
        except orjson.JSONDecodeError as error:
            # The reader skips what it does not know, so it lets NaN and a thousand brackets pass there.
            raise MalformedPlay(f"unknown fields are no JSON: {error.msg}") from None
        return cls(**fields, extra=extra)


@dataclass(frozen=True, slots=True)
class Plays:
    """A run of records as columns; a bad row has a reason, zeros for numbers, and no meaning in the table."""

    table: pa.Table
    good: npt.NDArray[np.bool_]
    #: Two letters as a big-endian number: `DE` is 0x4445.
    region: npt.NDArray[np.int64]
    played_at: npt.NDArray[np.int64]
    ms_played: npt.NDArray[np.int64]
    reasons: dict[int, str]

    def __len__(self) -> int:
        return len(self.good)

    @property
    def hour(self) -> npt.NDArray[np.int64]:
        """The hour of each play, counted from 1970."""
        return self.played_at // HOUR_MS

    def text(self, name: str) -> pa.StringArray:
        """One text column in one piece."""
        return _whole(self.table[name])


def region_code(region: str) -> int:
    """Two letters as the number the columns hold."""
    return ord(region[0]) << 8 | ord(region[1])


def region_name(code: int) -> str:
    """The two letters of a region's number."""
    return chr(code >> 8) + chr(code & 0xFF)


def decode_run(values: Sequence[bytes | None]) -> Plays:
    """A run of records as columns, whatever arrived."""
    table = _read(values) if len(values) and not lacks_one(values) else None
    reasons: dict[int, str] = {}
    if table is None:
        table = _read_doubtful(values, reasons)
    return _check(table, lengths_of(values), reasons)


def _read(values: Sequence[Any]) -> pa.Table | None:
    """All values in one parse, or None where they need a closer look."""
    text, lengths = lines_of(values)
    octets = np.frombuffer(text, np.uint8)
    ends = np.cumsum(lengths + 1) - 1
    if lengths.min() < 2 or np.count_nonzero(octets == NEWLINE) != len(values):
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
    try:
        plain = pj.read_json(pa.BufferReader(text), read_options=options, parse_options=_PARSE_PLAIN)
    except pa.ArrowInvalid:
        return pj.read_json(pa.BufferReader(text), read_options=options, parse_options=_PARSE)
    absent = pa.nulls(plain.num_rows, pa.string())
    columns = [plain[name] if name in REQUIRED else absent for name in SCHEMA.names]
    return pa.table(columns, schema=SCHEMA)


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
        and all(type(fields.get(name)) in (str, type(None)) for name in _TEXTS)
        and all(type(fields.get(name)) in (int, type(None)) for name in _NUMBERS)
    )


def _bisect(
    values: list[bytes], rows: list[int], reasons: dict[int, str]
) -> list[tuple[list[int], pa.Table]]:
    if not rows:
        return []
    table = _read([values[row] for row in rows])
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


def _check(table: pa.Table, sizes: npt.NDArray[np.int64], reasons: dict[int, str]) -> Plays:
    """The contract, column by column; the first broken rule is the row's reason."""
    good = np.ones(table.num_rows, np.bool_)
    good[list(reasons)] = False

    def require(mask: npt.NDArray[np.bool_], reason: str) -> None:
        if not mask.all():
            for row in np.flatnonzero(good & ~mask).tolist():
                reasons[row] = reason
            good[~mask] = False

    require(sizes <= RECORD_BYTES_MAX, f"is over {RECORD_BYTES_MAX} bytes")
    for name in REQUIRED:
        if table[name].null_count:
            require(table[name].is_valid().to_numpy(), f"{name} is missing")
    for name, most in (("play_id", PLAY_ID_LENGTH), ("user_id", ID_LENGTH), ("track_id", ID_LENGTH)):
        column = _whole(table[name])
        size = pc.binary_length(column)
        require(_truth(pc.greater(size, 0)), f"{name} is empty")
        if (pc.max(size).as_py() or 0) > most:
            require(_truth(pc.less_equal(pc.utf8_length(column), most)), f"{name} is over {most} characters")
        if _may_hold_control(column):
            calm = pc.invert(pc.match_substring_regex(column, _CONTROL))
            require(_truth(calm), f"{name} holds control characters")
    region, capitals = _regions(_whole(table["region"]))
    require(capitals, "region is not two capital letters")
    played_at, ms_played = (_whole(table[name]).fill_null(0).to_numpy() for name in _NUMBERS)
    require((played_at >= 0) & (played_at < TIME_END), "played_at is not between 1970 and 2109")
    require(ms_played >= 0, "ms_played is negative")
    if not good.all():
        region, played_at, ms_played = (np.where(good, c, 0) for c in (region, played_at, ms_played))
    return Plays(table, good, region, played_at, ms_played, reasons)


def _regions(column: pa.StringArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The regions as numbers, and which of them are two capital letters."""
    two = pc.equal(pc.binary_length(column), 2)
    if column.null_count or not pc.all(two).as_py():
        column = pc.if_else(pc.fill_null(two, False), column, "\0\0")
    data = column.buffers()[2]
    letters = (
        np.frombuffer(data, np.uint8, 2 * len(column), 2 * column.offset).reshape(-1, 2)
        if data
        else (np.zeros((0, 2), np.uint8))
    )
    capitals = np.all((letters >= 0x41) & (letters <= 0x5A), axis=1)
    code: npt.NDArray[np.int64] = letters[:, 0].astype(np.int64) << 8 | letters[:, 1]
    return code, np.asarray(capitals)


def _may_hold_control(column: pa.StringArray) -> bool:
    """A glance at the bytes beneath, neighbours of a slice included: only a yes needs the slow look."""
    data = column.buffers()[2]
    return data is not None and bool((np.frombuffer(data, np.uint8) < 0x20).any())


def _whole(column: pa.ChunkedArray) -> Any:
    return (
        column.chunk(0)
        if column.num_chunks == 1
        else pa.concat_arrays(column.chunks)
        if (column.num_chunks)
        else pa.array([], column.type)
    )


def _truth(mask: Any) -> npt.NDArray[np.bool_]:
    """A mask for numpy; null counts as true, for another rule has spoken there."""
    return pc.fill_null(mask, True).to_numpy(zero_copy_only=False)
