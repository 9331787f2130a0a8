"""Changes: told and applied, they give the chart; whatever the two charts are."""

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from charts.changes import apply, changes
from charts.chart import Chart, Entry
from charts.window import Window

_HOUR = Window("hour", 1_795_269_600_000)
_trends = st.sampled_from([(None, None), (3, "up"), (None, "new")])
_tracks = st.dictionaries(
    st.sampled_from([f"t{n}" for n in range(12)]), st.tuples(st.integers(1, 9), _trends), max_size=10
)


def chart_of(tracks: dict[str, tuple[int, tuple[Any, Any]]], as_of: int) -> Chart:
    total = sum(plays for plays, _ in tracks.values()) + 5
    ranked = sorted(tracks.items(), key=lambda item: (-item[1][0], item[0]))
    entries = tuple(
        Entry(rank, track, plays, share=round(plays / total, 6), previous_rank=previous, movement=movement)
        for rank, (track, (plays, (previous, movement))) in enumerate(ranked, 1)
    )
    return Chart("DE", _HOUR, "open", total, len(tracks), entries, as_of, "r")


@given(before=_tracks, after=_tracks)
def test_told_and_applied_they_give_the_chart(before: dict[str, Any], after: dict[str, Any]) -> None:
    old, new = chart_of(before, _HOUR.start), chart_of(after, _HOUR.start + 1)
    told = orjson.loads(orjson.dumps(changes(old, new)))
    assert apply(old.as_json(), told) == new.as_json()


def test_each_change_under_its_name() -> None:
    old = chart_of(
        {"a": (9, (None, None)), "b": (5, (None, None)), "c": (3, (None, None)), "d": (1, (None, None))}, 1
    )
    new = chart_of(
        {"a": (9, (None, None)), "c": (8, (None, None)), "b": (5, (None, None)), "e": (2, (None, None))}, 1
    )
    told = changes(old, new)
    names = {name: [row["track_id"] for row in told[name]] for name in ("entered", "up", "down", "plays")}
    assert names == {"entered": ["e"], "up": ["c"], "down": ["b"], "plays": []}
    assert told["left"] == ["d"]


def test_a_row_whose_count_alone_moved_is_told_in_a_word() -> None:
    old = chart_of({"a": (9, (None, None)), "b": (5, (None, None))}, 1)
    new = replace(old, plays=old.plays + 1, entries=(replace(old.entries[0], plays=10), old.entries[1]))
    assert changes(old, new)["plays"] == [{"track_id": "a", "plays": 10}]
