"""Plays: the wire contract, for one play and for a run of thousands.

A run becomes columns outside the GIL and without an object per play. What is plain is read straight from the
bytes (charts/scan.py); of anything else Arrow's reader says what it is (charts/reader.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from charts.errors import MalformedPlay
from charts.fields import ABSENT, NUMBERS, TEXTS, Fields
from charts.reader import read
from charts.scan import scan
from charts.slices import NONE, Ints, Slices
from charts.window import HOUR_MS, TIME_END

PLAY_ID_LENGTH = 64
ID_LENGTH = 128
#: A record on the wire, in bytes. Larger ones could not be sent on, with what is said of them.
RECORD_BYTES_MAX = 1 << 16

REQUIRED = ("play_id", "user_id", "track_id", "region", "played_at", "ms_played")
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
        known = {name: getattr(self, name) for name in (*REQUIRED, *TEXTS[4:])}
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
        fields = plays.fields.table().to_pylist()[0]
        try:
            extra = {k: v for k, v in orjson.loads(value).items() if k not in fields}
        except orjson.JSONDecodeError as error:
            # The reader skips what it does not know, so it lets NaN and a thousand brackets pass there.
            raise MalformedPlay(f"unknown fields are no JSON: {error.msg}") from None
        return cls(**fields, extra=extra)


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What judging needs to know of some records; one that is no play is not good, and has zeros."""

    good: npt.NDArray[np.bool_]
    played_at: Ints
    ms_played: Ints

    def __len__(self) -> int:
        return len(self.good)

    @property
    def hour(self) -> Ints:
        """The hour of each play, counted from 1970."""
        return self.played_at // HOUR_MS


@dataclass(frozen=True, slots=True, eq=False)
class Plays(Heard):
    """A run of records as columns; a bad row has a reason, and no meaning in the fields."""

    fields: Fields
    #: Two letters as a big-endian number: `DE` is 0x4445.
    region: Ints
    reasons: dict[int, str]


def region_code(region: str) -> int:
    """Two letters as the number the columns hold."""
    return ord(region[0]) << 8 | ord(region[1])


def region_name(code: int) -> str:
    """The two letters of a region's number."""
    return chr(code >> 8) + chr(code & 0xFF)


def decode_run(values: Sequence[bytes | None]) -> Plays:
    """A run of records as columns, whatever arrived."""
    records = Slices.of(values)
    fields, sure = scan(records)
    is_empty = records.lengths <= 0
    # Ticks are: they would send those beside them through the reader one by one.
    reasons = dict.fromkeys(np.flatnonzero(is_empty).tolist(), "empty")
    doubtful = np.flatnonzero(~sure & ~is_empty)
    if len(doubtful):
        said: dict[int, str] = {}
        fields = fields.amended(doubtful, read(records.take(doubtful), said))
        reasons |= {int(doubtful[row]): reason for row, reason in said.items()}
    return _check(fields, records.lengths, doubtful, reasons)


def _check(fields: Fields, sizes: Ints, doubtful: Ints, reasons: dict[int, str]) -> Plays:
    """The contract, column by column; the first broken rule is the row's reason."""
    good = np.ones(len(fields), np.bool_)
    good[list(reasons)] = False

    def require(mask: npt.NDArray[np.bool_], reason: str) -> None:
        if not mask.all():
            for row in np.flatnonzero(good & ~mask).tolist():
                reasons[row] = reason
            good[~mask] = False

    require(sizes <= RECORD_BYTES_MAX, f"is over {RECORD_BYTES_MAX} bytes")
    for name in REQUIRED:
        is_there = fields.text(name).lengths != NONE if name in TEXTS else fields.number(name) != ABSENT
        require(is_there, f"{name} is missing")
    for name, most in (("play_id", PLAY_ID_LENGTH), ("user_id", ID_LENGTH), ("track_id", ID_LENGTH)):
        text = fields.text(name)
        require(text.lengths != 0, f"{name} is empty")
        long = np.flatnonzero(text.lengths > most)
        require(_all_but(long, text, partial(_is_within, most)), f"{name} is over {most} characters")
        # A control character can stand in an escape only.
        require(_all_but(doubtful, text, _is_calm), f"{name} holds control characters")
    region, capitals = _regions(fields.text("region"))
    require(capitals, "region is not two capital letters")
    played_at, ms_played = map(fields.number, NUMBERS)
    require((played_at >= 0) & (played_at < TIME_END), "played_at is not between 1970 and 2109")
    require(ms_played >= 0, "ms_played is negative")
    if not good.all():
        region, played_at, ms_played = (np.where(good, c, 0) for c in (region, played_at, ms_played))
    return Plays(good, played_at, ms_played, fields, region, reasons)


def _all_but(rows: Ints, texts: Slices, holds: Callable[[pa.StringArray], Any]) -> npt.NDArray[np.bool_]:
    """Whether something holds of some texts; of others it does, and of none: another rule speaks there."""
    mask = np.ones(len(texts), np.bool_)
    if len(rows):
        mask[rows] = pc.fill_null(holds(texts.take(rows).arrow()), True).to_numpy(zero_copy_only=False)
    return mask


def _is_within(most: int, texts: pa.StringArray) -> Any:
    return pc.less_equal(pc.utf8_length(texts), most)


def _is_calm(texts: pa.StringArray) -> Any:
    return pc.invert(pc.match_substring_regex(texts, _CONTROL))


def _regions(texts: Slices) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The regions as numbers, and which of them are two capital letters."""
    if not len(texts.buffer):
        return np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_)
    two = texts.lengths == 2
    first = np.where(two, texts.starts, 0)
    letters = np.stack([texts.buffer.take(first + place, mode="clip") for place in (0, 1)]).astype(np.int64)
    capitals = two & np.all((letters >= 0x41) & (letters <= 0x5A), axis=0)
    code: Ints = letters[0] << 8 | letters[1]
    return code, np.asarray(capitals)
