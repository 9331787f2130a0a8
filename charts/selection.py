"""Selections: which rows of the raw zone an hour's charts count.

As the stream judged: rows that say `counted`. Judged anew, under other thresholds or with the late plays:
every play where it first landed, by the same `judge`. Then the first of each identity, in an order that
puts what the stream counted before what came too late: taking in late plays only adds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from charts.home import homes_of
from charts.play import Heard
from charts.rows import NAMES, RAW
from charts.run import stream_times
from charts.slices import Slices
from charts.verdict import LANDS, Rulebook, Rules, Verdict, judge
from charts.window import HOUR_MS

#: So late that nothing is.
_FOREVER_MS = 1 << 50
#: A selected row: its log, and what it gives way to (0 counted live, 1 late, 2 and 3 the same of other logs).
SELECTED = RAW.append(pa.field("log", NAMES)).append(pa.field("tier", pa.int8()))

#: Log → partition → the offset up to which rows are taken into account.
Through = Mapping[str, Mapping[int, int]]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Basis:
    """What an hour's plays are selected by."""

    log: str
    #: Thresholds other than the stream's.
    rules: Rules | None = None
    #: With the plays that came too late, and those of other logs.
    late: bool = False
    #: How far the logs are taken into account; None for everything there is.
    through: Through | None = None

    def book(self, book: Rulebook) -> Rulebook:
        """The rules its plays are judged by."""
        rules = book.rules if self.rules is None else (self.rules,)
        days = book.days if self.rules is None else (0,)
        if self.late:
            rules = tuple(replace(each, lateness_ms=_FOREVER_MS) for each in rules)
        return Rulebook(days, rules)


def counted_in(hour: int, rules: Rules) -> range:
    """The hours of stream time at which a play of this hour may come and count."""
    first = (hour * HOUR_MS - rules.early_ms) // HOUR_MS
    return range(first, ((hour + 1) * HOUR_MS + rules.lateness_ms) // HOUR_MS + 1)


def select(rows: pa.Table, basis: Basis, book: Rulebook, *, log: str, before: int, hour: int) -> pa.Table:
    """The rows of one raw file that may count in an hour; `before` is the stream time before the file."""
    kept = _within(rows, log, basis) & _in_hour(rows, hour)
    if not kept.any():
        return SELECTED.empty_table()
    verdict = _is(rows, Verdict.counted)
    if basis.rules is not None:
        lands = _first_hand(rows) & (_judged(rows, before, basis.book(book)) == LANDS)
        late = np.zeros(len(rows), np.bool_)
    elif basis.late:
        late = _is(rows, Verdict.late) & (_judged(rows, before, basis.book(book)) == LANDS)
        lands = verdict | late
    else:
        lands, late = verdict, np.zeros(len(rows), np.bool_)
    tier = late.astype(np.int8) + (0 if log == basis.log else 2)
    chosen = pa.array(np.flatnonzero(kept & lands))
    names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(rows), np.int32)), [log])
    table = rows.append_column("log", names).append_column("tier", pa.array(tier, pa.int8()))
    return table.take(chosen).cast(SELECTED)


def first_of_identity(rows: pa.Table, book: Rulebook) -> pa.Table:
    """One row of each identity: what was counted live, then its home's, then the lowest offset."""
    rows = rows.unify_dictionaries().combine_chunks()
    if not len(rows):
        return rows
    columns = ("offset", "partition", "tier")
    offset, partition, tier = (rows[name].to_numpy() for name in columns)
    log = pc.rank(rows["log"].cast(pa.string()), tiebreaker="dense").to_numpy()
    day = rows["played_at"].cast(pa.int64()).to_numpy() // (24 * HOUR_MS)
    tracks = rows["track_id"].combine_chunks()
    tracks = tracks.chunk(0) if isinstance(tracks, pa.ChunkedArray) else tracks
    away = homes_of(Slices.of_arrow(tracks), book.lookup(day, "partitions")) != partition
    order = np.lexsort((offset, partition, away, log, tier))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows))
    identities = rows.select(["track_id", "play_id"]).append_column("rank", pa.array(rank))
    first = identities.group_by(["track_id", "play_id"]).aggregate([("rank", "min")])["rank_min"].to_numpy()
    return rows.take(pa.array(np.sort(order[first])))


def _within(rows: pa.Table, log: str, basis: Basis) -> Mask:
    if basis.through is None:
        return np.ones(len(rows), np.bool_)
    limits = basis.through.get(log, {})
    limit = limits.get(rows["partition"][0].as_py(), 0) if len(rows) else 0
    return rows["offset"].to_numpy() < limit


def _in_hour(rows: pa.Table, hour: int) -> Mask:
    played_at = pc.fill_null(rows["played_at"].cast(pa.int64()), -1).to_numpy()
    return played_at // HOUR_MS == hour


def _is(rows: pa.Table, verdict: Verdict) -> Mask:
    return pc.equal(rows["verdict"].cast(pa.string()), verdict.name).to_numpy()


def _first_hand(rows: pa.Table) -> Mask:
    """Rows that are where they first landed; the others are their copies, sent home."""
    return rows["landed_offset"].is_null().to_numpy()


def _judged(rows: pa.Table, before: int, book: Rulebook) -> npt.NDArray[np.int8]:
    """The verdicts of a whole file's rows by other rules, at the stream times they came at."""
    order = np.argsort(rows["offset"].to_numpy())
    times = np.empty(len(rows), np.int64)
    times[order] = stream_times(rows["timestamp"].cast(pa.int64()).to_numpy()[order], before)
    good = ~(_is(rows, Verdict.malformed) | _is(rows, Verdict.tick))
    played_at, ms_played = (
        pc.fill_null(rows[name].cast(pa.int64()), 0).to_numpy() for name in ("played_at", "ms_played")
    )
    return judge(Heard(good, played_at, ms_played), times, book)
