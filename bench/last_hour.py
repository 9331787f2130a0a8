"""The last hour of a day: hot tracks hold every region by now, and the whole day is in the store.

Ours counts the first 23 hours, is started again, and counts the last, several times over: a run of fifteen
seconds may be a tenth off. The bare loop reads the same topic before, between and after.
"""

from collections import defaultdict
from dataclasses import replace
from operator import itemgetter
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
_ROUNDS = 3
_WAYS = {"duplicates checked": {}, "duplicates not checked": {"CHARTS_DUPLICATES": "false"}}


def measure(plays: int, brokers: Brokers, folder: Path, say: Say) -> dict[str, Any]:
    """Plays per second in hours 0 to 22, and in hour 23 with twice as many plays: some fifteen seconds."""
    more = 2 * plays
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with brokers.one(folder / "broker-day") as broker:
        day = Spec(plays, span_ms=DAY_MS - HOUR_MS, start=_MIDNIGHT)
        data = fill(broker, day)
        rounds = [
            {
                way: _workers(data, folder / f"{way}-{number}".replace(" ", "-"), environ)
                for way, environ in _WAYS.items()
            }
            for number in range(_ROUNDS)
        ]
        before: dict[Workers, int] = {}
        for field in rounds:
            for way, ours in field.items():
                with ours:
                    count = ours.counted()
                    before[ours] = ours.changelog_bytes()
                runs[f"ours, {way}, hours 0 to 22"].append(row_of(count, plays, before[ours]))
        fill(broker, replace(day, plays=more, span_ms=HOUR_MS, start=_LAST_HOUR * HOUR_MS), into=data)
        whole = replace(data, spec=replace(day, plays=plays + more))
        bare = [_bare(whole, folder)]
        for field in rounds:
            for way, ours in field.items():
                with ours:
                    count = ours.counted(plays + more)
                    ours.compare_charts(since_hour=_LAST_HOUR)
                    changelog = ours.changelog_bytes() - before[ours]
                runs[f"ours, {way}, hour 23"].append(row_of(count, more, changelog))
            bare.append(_bare(whole, folder))
    rows = {what: _middle(several) for what, several in runs.items()}
    for what, row in rows.items():
        rates = ", ".join(f"{run['plays_per_s']:,}" for run in runs[what])
        say(f"{what}: {rates} plays/s, {row['changelog_bytes_per_play']} changelog bytes a play")
    rate = round(median(result.rate for result in bare))
    say(f"bare getmany on the same topic: {rate:,} plays/s")
    return {
        "plays": plays,
        "plays_in_hour_23": more,
        "rounds": _ROUNDS,
        "rows": rows,
        "bare_plays_per_s": rate,
    }


def _middle(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of several runs the one with the middle rate."""
    return sorted(rows, key=itemgetter("plays_per_s"))[len(rows) // 2]


def _workers(data: DataSet, place: Path, environ: dict[str, str]) -> Workers:
    place.mkdir()
    return Workers(data, place, environ)


def _bare(data: DataSet, folder: Path) -> Result:
    ceiling = next(contender for contender in FIELD if contender.name == CEILING)
    return run(ceiling, data, folder / "bare")
