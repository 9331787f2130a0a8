"""Recounts: charts from the lake's rows, by the functions that count the stream.

Hours and days come out of the same tallies and top lists as live ones; a week is counted as if it were one
folded day.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from charts.board import Board
from charts.chart import Chart
from charts.merge import merge
from charts.play import region_code
from charts.ranking import Place, TopLists
from charts.tally import ALL, DAY, Cells, Ints, all_new, days_of, key_of
from charts.verdict import Rulebook
from charts.window import DAY_MS, HOUR_MS, WEEK_MS, Window

#: How often each track was played in one region and hour (counted from 1970).
COUNTS = pa.schema(
    [("track_id", pa.string()), ("region", pa.string()), ("hour", pa.int64()), ("plays", pa.int64())]
)
#: Title and artist by track.
Names = Mapping[str, tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True)
class Ranking:
    """One recounted chart, before it is dressed: totals, and the first tracks with their plays."""

    plays: int
    tracks: int
    first: tuple[tuple[str, int], ...]

    def chart(self, region: str, window: Window, book: Rulebook, names: Names) -> Chart:
        """As a chart of a final window."""
        rules = book.on((window.end - 1) // DAY_MS)
        rows = tuple((track, plays, *names.get(track, (None, None))) for track, plays in self.first)
        plays, tracks, entries = merge([Board(0, self.plays, self.tracks, rows)], len(rows))
        return Chart(
            region=region,
            window=window,
            status="final",
            plays=plays,
            tracks=tracks,
            entries=entries,
            as_of=window.end + rules.lateness_ms,
            rules=rules.version,
        )


Rankings: TypeAlias = dict[tuple[str, Window], Ranking]


def counts_of(plays: pa.Table) -> pa.Table:
    """Counts of some plays (columns `track_id`, `region`, `played_at`)."""
    hour = pc.divide(plays["played_at"].cast(pa.int64()), HOUR_MS)
    table = pa.table(
        {"track_id": plays["track_id"], "region": plays["region"].cast(pa.string()), "hour": hour}
    )
    counted = table.group_by(COUNTS.names[:3]).aggregate([([], "count_all")])
    return counted.rename_columns([*COUNTS.names[:3], "plays"]).select(COUNTS.names).cast(COUNTS)


def summed(counts: pa.Table) -> pa.Table:
    """Counts of the same track, region and hour added up."""
    grouped = counts.group_by(COUNTS.names[:3]).aggregate([("plays", "sum")])
    return grouped.rename_columns(COUNTS.names).cast(COUNTS)


def rank_days(counts: Iterable[pa.Table], n: int) -> Rankings:
    """Every hour's and day's chart, of every region and all together.

    The counts must hold whole days; no two tables have a track in common, so each is ranked by itself.
    """
    found: Rankings = {}
    for table in counts:
        day, hour = np.divmod(table["hour"].to_numpy(), 24)
        for place, part in _rank(table, day, hour, n).items():
            found[place] = part if place not in found else _joined(found[place], part, n)
    return found


def _joined(one: Ranking, other: Ranking, n: int) -> Ranking:
    """Two rankings of a chart, by tracks of which none is in both."""
    first = sorted((*one.first, *other.first), key=lambda row: (-row[1], row[0]))
    return Ranking(one.plays + other.plays, one.tracks + other.tracks, tuple(first[:n]))


def rank_week(counts: Sequence[pa.Table], week: Window, n: int) -> Rankings:
    """The week's charts; the counts are the week's and nothing else."""
    table = pa.concat_tables([COUNTS.empty_table(), *counts])
    assert week.end - week.start == WEEK_MS
    ranked = _rank(table, np.full(len(table), week.start // DAY_MS, np.int64), None, n)
    return {(region, week): ranking for (region, _), ranking in ranked.items()}


def _rank(table: pa.Table, day: Ints, hour: Ints | None, n: int) -> Rankings:
    """The top lists of these counts, as if all had come at once."""
    tracks, regions = _dictionary(table["track_id"]), _dictionary(table["region"])
    names = [name.encode() for name in tracks.dictionary.to_pylist()]
    codes = np.array([region_code(name) for name in regions.dictionary.to_pylist()], np.int64)
    pairs, row = np.unique(day * (len(names) + 1) + _indices(tracks), return_inverse=True)
    days, track = np.divmod(pairs, len(names) + 1)
    keys = [key_of(one, names[which]) for one, which in zip(days.tolist(), track.tolist(), strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    place = np.empty(len(keys), np.int64)
    place[order] = np.arange(len(keys))
    keys = [keys[which] for which in order]
    region = codes[_indices(regions)] if len(table) else day
    lists = TopLists(n)
    lists.update(keys, days_of(keys), all_new(_cells(place[row], region, hour, table["plays"].to_numpy())))
    return {_named(found): _ranking(lists, found, n) for found in lists.places()}


def _cells(key: Ints, region: Ints, hour: Ints | None, plays: Ints) -> Cells:
    """Counted plays as a tally's cells: by region and in all, by day and (if told) by hour."""
    whens: list[Ints | int] = [DAY] if hour is None else [DAY, hour]
    wheres: list[Ints | int] = [region, ALL]
    levels = [key << 24 | np.left_shift(where, 8) | when for where in wheres for when in whens]
    places = np.concatenate(levels)
    place, which = np.unique(places, return_inverse=True)
    weights = np.concatenate([plays] * len(levels))
    return Cells(place, np.bincount(which, weights, len(place)).astype(np.int64))


def _named(place: Place) -> tuple[str, Window]:
    return place.region_name, place.window


def _ranking(lists: TopLists, place: Place, n: int) -> Ranking:
    found = lists.get(place)
    assert found is not None
    first = tuple((track.decode(), plays) for track, plays in found.first(n))
    return Ranking(found.plays, found.tracks, first)


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    whole = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return whole.dictionary_encode()


def _indices(column: pa.DictionaryArray) -> np.ndarray:
    return column.indices.to_numpy().astype(np.int64)
