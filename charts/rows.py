"""Rows: a chunk of the log as the lake's raw zone keeps it.

Every record is a row, whatever became of it: a play with its verdict, a tick, or bytes that are no play.
Of the verdicts only `duplicate` is missing, for it alone needs more than the log up to the record; a row that
says `counted` counts unless an earlier row has the same identity.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from charts.chunk import Chunk
from charts.fields import ABSENT, SCHEMA
from charts.intake import take_in
from charts.play import Plays
from charts.slices import NONE, Slices
from charts.verdict import LANDS, Rulebook, Verdict
from charts.window import DAY_MS

TIME = pa.timestamp("ms", "UTC")
NAMES = pa.dictionary(pa.int32(), pa.string())

#: One row of the raw zone; `value` holds the record's bytes where they are no play.
RAW = pa.schema(
    [
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", TIME),
        ("verdict", NAMES),
        ("reason", NAMES),
        ("play_id", pa.string()),
        ("user_id", pa.string()),
        ("track_id", pa.string()),
        ("region", NAMES),
        ("played_at", TIME),
        ("ms_played", pa.int64()),
        ("source", pa.string()),
        ("title", pa.string()),
        ("artist", pa.string()),
        ("album", pa.string()),
        ("extra", pa.string()),
        ("value", pa.binary()),
        ("landed_partition", pa.int32()),
        ("landed_offset", pa.int64()),
    ]
)


def rows_of(chunk: Chunk, book: Rulebook) -> pa.Table:
    """The chunk's records as rows, sorted by region, then by offset."""
    run = chunk.run
    intake = take_in(run, chunk.before, book)
    plays = intake.plays
    verdicts = np.where(intake.verdicts == LANDS, Verdict.counted, intake.verdicts).astype(np.int8)
    landed = np.full((2, len(run)), -1, np.int64)
    for row, origin in run.forwarded.items():
        landed[:, row] = origin
    columns = {
        "partition": pa.array(np.full(len(run), chunk.partition, np.int32)),
        "offset": pa.array(run.offsets),
        "timestamp": pa.array(run.timestamps).cast(TIME),
        "verdict": verdict_names(verdicts),
        "landed_partition": pa.array(landed[0], mask=landed[0] < 0).cast(pa.int32()),
        "landed_offset": pa.array(landed[1], mask=landed[1] < 0),
        **_fields(plays, verdicts, run.values),
    }
    table = pa.table([columns[name] for name in RAW.names], RAW.names).cast(RAW)
    region = np.where(verdicts == Verdict.malformed, 0, plays.region)
    return table.take(pa.array(np.argsort(region, kind="stable")))


def verdict_names(verdicts: npt.NDArray[np.int8]) -> pa.DictionaryArray:
    """Verdicts by name."""
    names = pa.array([verdict.name for verdict in Verdict], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(verdicts, pa.int32()), names)


def _fields(
    plays: Plays, verdicts: npt.NDArray[np.int8], values: Sequence[bytes | None]
) -> dict[str, pa.ChunkedArray | pa.Array]:
    """The play's own columns; what is no play has none, but its bytes and a reason."""
    malformed = verdicts == Verdict.malformed
    good = plays.good & (verdicts != Verdict.tick)
    reason: list[str | None] = [None] * len(plays)
    extra: list[str | None] = [None] * len(plays)
    kept: list[bytes | None] = [None] * len(plays)
    for row in np.flatnonzero(~good).tolist():
        kept[row] = values[row] or None
    for row in np.flatnonzero(malformed).tolist():
        reason[row] = plays.reasons[row]
    for row in np.flatnonzero(good & (_quotes(values) > _expected(plays))).tolist():
        try:
            extra[row] = _unknown(values[row] or b"")
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            # The run's reader is more lenient, with NaN and a thousand brackets: then the bytes are kept.
            kept[row] = values[row]
    columns = dict(zip(SCHEMA.names, plays.fields.table().columns, strict=True))
    if not good.all():
        mask = pa.array(good)
        columns = {
            name: pc.if_else(mask, column, pa.scalar(None, column.type)) for name, column in columns.items()
        }
    columns["played_at"] = columns["played_at"].cast(TIME)
    return {
        **columns,
        "reason": pa.array(reason, pa.string()),
        "extra": pa.array(extra, pa.string()),
        "value": pa.array(kept, pa.binary()),
    }


def _unknown(record: bytes) -> str | None:
    """The fields we do not know, as JSON."""
    unknown = {name: value for name, value in orjson.loads(record).items() if name not in SCHEMA.names}
    return orjson.dumps(unknown).decode() if unknown else None


def _quotes(records: Sequence[bytes | None]) -> npt.NDArray[np.int64]:
    """How many quotation marks each record has: only those with more than expected need a closer look.

    Every known field that is set takes two for its name and, if text, two for its value. A record with more
    marks than these holds something else: an unknown field, an escaped mark, a null.
    """
    return Slices.of(records).count_octet(ord('"'))


def _expected(plays: Plays) -> npt.NDArray[np.int64]:
    texts, numbers = plays.fields.lengths != NONE, plays.fields.numbers != ABSENT
    return 4 * texts.sum(axis=0) + 2 * numbers.sum(axis=0)


def late_days(table: pa.Table) -> dict[int, int]:
    """How many late plays of each day (since 1970) a table of raw rows holds."""
    late = table.filter(pc.equal(table["verdict"].cast(pa.string()), Verdict.late.name))
    days, counts = np.unique(late["played_at"].cast(pa.int64()).to_numpy() // DAY_MS, return_counts=True)
    return dict(zip(days.tolist(), counts.tolist(), strict=True))
