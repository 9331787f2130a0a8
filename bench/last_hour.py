"""The last hour of a day: hot tracks hold every region by now, and the whole day is in the store.

Ours counts the first 23 hours, is started again, and counts the last; the bare loop reads the same topic
before, between and after.
"""

from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.brokers import Brokers
from bench.contest import Result, run
from bench.dataset import DataSet, Spec, fill
from bench.field import CEILING, FIELD
from bench.ours import Workers
from bench.race import Say
from bench.scaling import row_of
from charts.window import DAY_MS, HOUR_MS

_MIDNIGHT = 1_763_683_200_000
_LAST_HOUR = _MIDNIGHT // HOUR_MS + 23
_WAYS = {"duplicates checked": {}, "duplicates not checked": {"CHARTS_DUPLICATES": "false"}}


def measure(plays: int, brokers: Brokers, folder: Path, say: Say) -> dict[str, Any]:
    """Plays per second in hours 0 to 22, and in hour 23 with twice as many plays: some fifteen seconds."""
    more = 2 * plays
    rows = {}
    with brokers.one(folder / "broker-day") as broker:
        day = Spec(plays, span_ms=DAY_MS - HOUR_MS, start=_MIDNIGHT)
        data = fill(broker, day)
        workers = {way: _workers(data, folder, way, environ) for way, environ in _WAYS.items()}
        before = {}
        for way, ours in workers.items():
            with ours:
                count = ours.counted()
                before[way] = ours.changelog_bytes()
            rows[f"ours, {way}, hours 0 to 22"] = row_of(count, plays, before[way])
        fill(broker, replace(day, plays=more, span_ms=HOUR_MS, start=_LAST_HOUR * HOUR_MS), into=data)
        whole = replace(data, spec=replace(day, plays=plays + more))
        bare = [_bare(whole, folder)]
        for way, ours in workers.items():
            with ours:
                count = ours.counted(plays + more)
                ours.compare_charts(since_hour=_LAST_HOUR)
                changelog = ours.changelog_bytes() - before[way]
            rows[f"ours, {way}, hour 23"] = row_of(count, more, changelog)
            bare.append(_bare(whole, folder))
    for what, row in rows.items():
        weight = row["changelog_bytes_per_play"]
        say(f"{what}: {row['plays_per_s']:,} plays/s, {weight} changelog bytes a play")
    rate = round(median(result.rate for result in bare))
    say(f"bare getmany on the same topic: {rate:,} plays/s")
    return {"plays": plays, "plays_in_hour_23": more, "rows": rows, "bare_plays_per_s": rate}


def _workers(data: DataSet, folder: Path, way: str, environ: dict[str, str]) -> Workers:
    place = folder / way.replace(" ", "-")
    place.mkdir()
    return Workers(data, place, environ)


def _bare(data: DataSet, folder: Path) -> Result:
    ceiling = next(contender for contender in FIELD if contender.name == CEILING)
    return run(ceiling, data, folder / "bare")
