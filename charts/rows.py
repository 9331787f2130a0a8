"""Rows: a chunk of the log as the lake's raw zone keeps it.

Every record is a row, whatever became of it: a play with its verdict, a tick, or bytes that are no play.
Of the verdicts only `duplicate` is missing, for it alone needs more than the log up to the record; a row that
says `counted` counts unless an earlier row has the same identity.
"""

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from charts.chunk import Chunk
from charts.home import homes_of
from charts.play import SCHEMA, Plays, decode_run
from charts.run import stream_times
from charts.verdict import LANDS, Rulebook, Verdict, judge
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
    values = [value for run in chunk.runs for value in run.values]
    offsets = np.concatenate([run.offsets for run in chunk.runs])
    timestamps = np.concatenate([run.timestamps for run in chunk.runs])
    times = stream_times(timestamps, chunk.before)
    landed, ticks = _marks(chunk)
    # A tick is empty on purpose; decoded with the plays it would send them all the slow way.
    alive = np.ones(len(values), np.bool_)
    alive[ticks] = False
    records = [values[row] for row in np.flatnonzero(alive).tolist()] if ticks else values
    plays = decode_run(records)
    verdicts = np.full(len(values), Verdict.tick, np.int8)
    mine = landed[0][alive] < 0
    verdicts[alive] = settle(plays, times[alive], mine, chunk.partition, book)
    table = _table(plays, records)
    if ticks:
        place = np.where(alive, np.cumsum(alive) - 1, -1)
        table = table.take(pa.array(place, mask=~alive))
    columns = {
        "partition": np.full(len(values), chunk.partition, np.int32),
        "offset": offsets,
        "timestamp": pa.array(timestamps).cast(TIME),
        "verdict": verdict_names(verdicts),
        "landed_partition": pa.array(landed[0], mask=landed[0] < 0),
        "landed_offset": pa.array(landed[1], mask=landed[0] < 0),
    }
    for name, column in columns.items():
        table = table.append_column(name, pa.array(column) if isinstance(column, np.ndarray) else column)
    code = np.zeros(len(values), np.int64)
    code[alive] = np.where(plays.good, plays.region, 0)
    return table.select(RAW.names).cast(RAW).take(pa.array(np.argsort(code, kind="stable")))


def settle(
    plays: Plays,
    times: npt.NDArray[np.int64],
    first_hand: npt.NDArray[np.bool_],
    partition: int,
    book: Rulebook,
) -> npt.NDArray[np.int8]:
    """The verdict of each record but for duplicates: by shape and time, then by home.

    A play that comes forwarded (not first hand) was judged where it landed, and counts here.
    """
    verdicts = judge(plays, times, book)
    verdicts[~first_hand & plays.good] = Verdict.counted
    lands = verdicts == LANDS
    verdicts[lands] = np.where(_at_home(plays, partition, book)[lands], Verdict.counted, Verdict.forwarded)
    return verdicts


def verdict_names(verdicts: npt.NDArray[np.int8]) -> pa.DictionaryArray:
    """Verdicts by name."""
    names = pa.array([verdict.name for verdict in Verdict], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(verdicts, pa.int32()), names)


def _at_home(plays: Plays, partition: int, book: Rulebook) -> npt.NDArray[np.bool_]:
    """Which plays' tracks live in this partition, by the partition count of the day they were played."""
    tracks = plays.text("track_id").fill_null("")
    return homes_of(tracks, book.lookup(plays.hour // 24, "partitions")) == partition


def _marks(chunk: Chunk) -> tuple[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]], list[int]]:
    """Where each forwarded play landed (partition −1: it did not), and the rows of the ticks."""
    partitions = np.full(len(chunk), -1, np.int32)
    offsets = np.full(len(chunk), -1, np.int64)
    ticks: list[int] = []
    at = 0
    for run in chunk.runs:
        for row, (partition, offset) in run.forwarded.items():
            partitions[at + row], offsets[at + row] = partition, offset
        ticks += (at + row for row in sorted(run.ticks))
        at += len(run)
    return (partitions, offsets), ticks


def _table(plays: Plays, records: list[bytes | None]) -> pa.Table:
    """The play's own columns; a bad record has none, but its bytes and a reason."""
    table = plays.table
    reason: list[str | None] = [None] * len(plays)
    extra: list[str | None] = [None] * len(plays)
    kept: list[bytes | None] = [None] * len(plays)
    for row in np.flatnonzero(~plays.good).tolist():
        reason[row], kept[row] = plays.reasons[row], records[row]
    for row in np.flatnonzero(plays.good & (_quotes(records) > _expected(plays))).tolist():
        try:
            extra[row] = _unknown(records[row] or b"")
        except orjson.JSONDecodeError:
            # The run's reader is more lenient (a lone surrogate, a NaN): then the bytes say what it was.
            kept[row] = records[row]
    if not plays.good.all():
        good = pa.array(plays.good)
        empty = {name: pa.scalar(None, table[name].type) for name in table.column_names}
        table = pa.table({name: pc.if_else(good, table[name], empty[name]) for name in table.column_names})
    played_at = table["played_at"].cast(TIME)
    return (
        table.set_column(table.column_names.index("played_at"), "played_at", played_at)
        .append_column("reason", pa.array(reason, pa.string()))
        .append_column("extra", pa.array(extra, pa.string()))
        .append_column("value", pa.array(kept, pa.binary()))
    )


def _unknown(record: bytes) -> str | None:
    """The fields we do not know, as JSON."""
    unknown = {name: value for name, value in orjson.loads(record).items() if name not in SCHEMA.names}
    return orjson.dumps(unknown).decode() if unknown else None


def _quotes(records: list[bytes | None]) -> npt.NDArray[np.int64]:
    """How many quotation marks each record has: only those with more than expected need a closer look.

    Every known field that is set takes two for its name and, if text, two for its value. A record with more
    marks than these holds something else: an unknown field, an escaped mark, a null.
    """
    return np.fromiter(((record or b"").count(b'"') for record in records), np.int64, len(records))


def _expected(plays: Plays) -> npt.NDArray[np.int64]:
    expected = np.zeros(len(plays), np.int64)
    for name in SCHEMA.names:
        marks = 4 if pa.types.is_string(SCHEMA.field(name).type) else 2
        column = plays.table[name]
        expected += marks * column.is_valid().to_numpy() if column.null_count else marks
    return expected


def late_days(table: pa.Table) -> dict[int, int]:
    """How many late plays of each day (since 1970) a table of raw rows holds."""
    late = table.filter(pc.equal(table["verdict"].cast(pa.string()), Verdict.late.name))
    days, counts = np.unique(late["played_at"].cast(pa.int64()).to_numpy() // DAY_MS, return_counts=True)
    return dict(zip(days.tolist(), counts.tolist(), strict=True))
