"""Memory: what a worker holds after ever more plays, with their ids remembered and without.

Plays over three hours of event time, so that every one of them may still come twice.
"""

import time
from pathlib import Path
from typing import Any

from bench.brokers import Brokers
from bench.contenders.told import now
from bench.dataset import DataSet, Spec, fill
from bench.ours import Workers
from bench.race import Say

#: Shares of all plays after which it is looked at.
_SHARES = (4, 2, 1)
#: Resident is what was, on average, over the last of these.
_WINDOW_S = 2.0
#: Free pages have gone back to the system after this.
_REST_S = 12.0
_WAYS = {"remembered": {}, "not remembered": {"CHARTS_DUPLICATES": "false"}}


def measure(plays: int, brokers: Brokers, folder: Path, say: Say) -> dict[str, Any]:
    """Resident memory on the way through many plays, and at rest after them."""
    with brokers.one(folder / "broker-memory") as broker:
        data = fill(broker, Spec(plays), count=False)
        say(f"{plays:,} plays on {brokers.title} after {data.preload_s:.0f} s")
        ways = {}
        for way, environ in _WAYS.items():
            place = folder / way.replace(" ", "-")
            place.mkdir()
            ways[way] = row = _count(data, place, environ)
            said = ", ".join(
                f"{mark['rss_mb']:,} MB after {int(done):,}" for done, mark in row["marks"].items()
            )
            say(f"ours, play ids {way}: {said}, {row['rss_max_mb']:,} MB at most")
    return {"plays": plays, "ways": ways, "allowed_mb": round(700 + 20 * plays / 1e6)}


def _count(data: DataSet, place: Path, environ: dict[str, str]) -> dict[str, Any]:
    plays = data.spec.plays
    marks = {}
    with Workers(data, place, environ) as ours:
        ours.opened()
        began = now()
        for share in _SHARES:
            moment = ours.until_counted(plays // share)
            resident = ours.rss_since(moment - _WINDOW_S)
            marks[str(plays // share)] = {
                "rss_mb": round(resident / 1e6),
                "after_s": round(moment - began, 1),
            }
        count = ours.counted()
        time.sleep(_REST_S)
        rest = ours.rss_since(now() - _WINDOW_S)
    return {"marks": marks, "rss_max_mb": round(count.rss_max / 1e6), "rest_mb": round(rest / 1e6)}
