"""Changes: what became of a chart, told in less than the chart, and the chart made from it again.

    entered   rows that were not there         up, down   rows at another rank
    left      tracks that are gone             plays      rows at their rank with other counts or names
    head      every field of the chart but its rows

A row's share is left out: it is its plays by the chart's, to six places, as it always is.
"""

from typing import Any

from charts.chart import Chart, Entry

#: As the merge rounds it.
SHARE_PLACES = 6


def head_of(chart: Chart) -> dict[str, Any]:
    """Every field of the chart but its rows."""
    head = chart.first(0).as_json()
    del head["entries"]
    return head


def changes(before: Chart, after: Chart) -> dict[str, Any]:
    """What turns the one chart into the other, of the same region and window."""
    known = {entry.track_id: entry for entry in before.entries}
    told: dict[str, Any] = {"head": head_of(after), "entered": [], "up": [], "down": [], "plays": []}
    for entry in after.entries:
        last = known.pop(entry.track_id, None)
        if last is None:
            told["entered"].append(_row(entry))
        elif last.rank != entry.rank:
            told["up" if entry.rank < last.rank else "down"].append(_row(entry))
        elif other := _difference(last, entry):
            told["plays"].append({"track_id": entry.track_id, **other})
    told["left"] = list(known)
    return told


def apply(chart: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """The chart (as JSON) after these changes."""
    rows = {row["track_id"]: row for row in chart["entries"]}
    for track_id in told["left"]:
        del rows[track_id]
    for row in (*told["entered"], *told["up"], *told["down"], *told["plays"]):
        rows[row["track_id"]] = rows.get(row["track_id"], {}) | row
    plays = told["head"]["plays"]
    entries = [row | {"share": _share(row["plays"], plays)} for row in rows.values()]
    return {**told["head"], "entries": sorted(entries, key=lambda row: row["rank"])}


def _row(entry: Entry) -> dict[str, Any]:
    row = entry.as_json()
    del row["share"]
    return row


def _difference(last: Entry, entry: Entry) -> dict[str, Any]:
    if last is entry or last == entry:
        return {}
    before = _row(last)
    return {name: value for name, value in _row(entry).items() if value != before[name]}


def _share(plays: int, total: int) -> float:
    return round(plays / total, SHARE_PLACES) if total else 0.0
