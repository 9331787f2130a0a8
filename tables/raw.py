"""Raw files: how a chunk is written as Parquet, and what its name and footer say.

    raw/log=L/date=2026-11-21/hour=14/p003-000000120000.parquet      a full chunk, written once
    tail/log=L/p003-000000120000-000000123456.parquet                the growing one, up to an offset

A tail's name carries how far it goes, so a paused worker that wakes and writes an older one shortens nothing:
the longest counts. Time, offsets and the late plays stand in the footer, which is all a new worker needs.
Right before it lies a Bloom filter of the play ids, so that one play is found without reading the files.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from charts.chunk import Chunk
from charts.errors import BrokenInvariant
from charts.rows import RAW, late_days, rows_of
from charts.verdict import Rulebook
from charts.window import HOUR_MS
from tables.bloom import may_hold

#: Grows with every change that a reader of older files would notice.
SCHEMA_VERSION = 1
#: Nearly every footer is within this much of a file's end: statistics of one row group, days of late plays.
FOOTER_BYTES = 64 << 10
#: One play in a hundred that is not in a file seems to be: 10 bits a play, rounded up to a power of two.
FILTER_FPP = 0.01

_METADATA = b"livecharts"
_NAME = re.compile(r"p(\d{3,})-(\d{12,})(?:-(\d{12,}))?\.parquet$")
_REPEATING = [
    "partition",
    "verdict",
    "reason",
    "user_id",
    "track_id",
    "region",
    "source",
    "title",
    "artist",
    "album",
]
_SKIPPED_BY = ["offset", "timestamp", "played_at", "region", "track_id", "user_id", "play_id"]
_COUNTING = dict.fromkeys(
    ["offset", "timestamp", "played_at", "ms_played", "landed_offset"], "DELTA_BINARY_PACKED"
)


@dataclass(frozen=True, slots=True)
class Footer:
    """What a raw file says of itself."""

    log: str
    partition: int
    first: int
    next: int
    #: Stream time before its first record and at its last.
    before: int
    after: int
    rows: int
    #: Late plays by the day they were played, counted from 1970.
    late: dict[str, int] = field(default_factory=dict)
    version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """What a raw file's name says; `next` only for a tail."""

    partition: int
    first: int
    next: int | None
    key: str

    @classmethod
    def of(cls, key: str) -> "Name | None":
        found = _NAME.search(key)
        if found is None:
            return None
        partition, first, last = found.groups()
        return cls(int(partition), int(first), int(last) if last else None, key)


def names(keys: Iterable[str]) -> list[Name]:
    """The raw files among some keys, by partition and offset."""
    return sorted(name for name in map(Name.of, keys) if name)


def hour_folder(hour: int) -> str:
    """`date=2026-11-21/hour=14/` of an hour counted from 1970."""
    time = datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC)
    return f"date={time:%Y-%m-%d}/hour={time:%H}/"


def raw_folder(log: str, hour: int | None = None) -> str:
    return f"raw/log={log}/" + (hour_folder(hour) if hour is not None else "")


def tail_folder(log: str) -> str:
    return f"tail/log={log}/"


def raw_key(log: str, chunk: Chunk) -> str:
    return f"{raw_folder(log, chunk.hour)}p{chunk.partition:03}-{chunk.first:012}.parquet"


def full_key(footer: Footer) -> str:
    """Where the file with this footer lies, or will lie once it is full."""
    folder = raw_folder(footer.log, footer.after // HOUR_MS)
    return f"{folder}p{footer.partition:03}-{footer.first:012}.parquet"


def tail_key(log: str, chunk: Chunk) -> str:
    return f"{tail_folder(log)}p{chunk.partition:03}-{chunk.first:012}-{chunk.next:012}.parquet"


def encode(chunk: Chunk, log: str, book: Rulebook) -> memoryview:
    """The chunk as a Parquet file."""
    table = rows_of(chunk, book)
    late = {str(day): rows for day, rows in late_days(table).items()}
    footer = Footer(
        log, chunk.partition, chunk.first, chunk.next, chunk.before, chunk.after, table.num_rows, late
    )
    filters = {"play_id": {"ndv": max(1, len(table)), "fpp": FILTER_FPP}}
    return write_parquet(table, _METADATA, asdict(footer), _REPEATING, _COUNTING, filters=filters)


def write_parquet(
    table: pa.Table,
    name: bytes,
    footer: dict[str, Any],
    repeating: list[str],
    counting: dict[str, str],
    *,
    filters: dict[str, Any] | None = None,
) -> memoryview:
    """A table as one Parquet file: zstd, dictionaries where values repeat, deltas where they count up."""
    sink = pa.BufferOutputStream()
    table = table.replace_schema_metadata({name: orjson.dumps(footer)})
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=repeating,
        column_encoding=counting,
        row_group_size=1 << 20,
        # Of long texts a footer would hold kilobytes; these are what a reader may want to skip by.
        write_statistics=[name for name in _SKIPPED_BY if name in table.column_names],
        bloom_filter_options=filters,
    )
    return memoryview(sink.getvalue())


def footer_bytes(end: bytes) -> int:
    """How many of a Parquet file's last bytes are its footer, told by the very last."""
    if end[-4:] != b"PAR1":
        raise BrokenInvariant("a file without a Parquet footer")
    return int.from_bytes(end[-8:-4], "little") + 8


def parquet_metadata(end: bytes) -> pq.FileMetaData:
    """The metadata in a Parquet file's last bytes, which hold all of it."""
    # Parquet's reader wants a file that starts with its magic; the footer alone is one without rows.
    return pq.read_metadata(pa.BufferReader(b"PAR1" + end[-footer_bytes(end) :]))


def metadata_of(end: bytes) -> dict[bytes, bytes]:
    """The keys and values in a Parquet file's last bytes."""
    return parquet_metadata(end).metadata


def footer_of(end: bytes) -> Footer:
    """The footer in a raw file's last bytes."""
    return Footer(**orjson.loads(metadata_of(end)[_METADATA]))


def may_hold_play(end: bytes, play_id: str) -> bool:
    """Whether the raw file with these last bytes may hold a play, by the filter before its footer."""
    place = RAW.get_field_index("play_id")
    size = parquet_metadata(end).row_group(0).column(place).bloom_filter_length
    footer = len(end) - footer_bytes(end)
    # One that is not all here, or was never written, excludes nothing.
    return size is None or size > footer or may_hold(end[footer - size : footer], play_id)


def decode(body: bytes, columns: list[str] | None = None) -> pa.Table:
    """A raw file's rows."""
    return pq.read_table(pa.BufferReader(body), columns=columns, use_threads=False).cast(
        RAW if columns is None else pa.schema([RAW.field(name) for name in columns])
    )
