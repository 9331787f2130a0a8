"""Scaling: our worker along one axis at a time, all else as in the race; charts compared every time."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench.brokers import Brokers
from bench.contenders.told import now
from bench.dataset import DataSet, Spec, fill
from bench.ours import Count, Workers
from bench.race import Say
from charts.window import DAY_MS, HOUR_MS

TRACKS = (100_000, 10_000_000)
PARTITIONS = (1, 16)
FLUSHES_S = (0.25, 0.5)
_MIDNIGHT = 1_763_683_200_000


def measure(plays: int, brokers: Brokers, folder: Path, say: Say) -> dict[str, Any]:
    """Plays per second along each axis."""
    axes: dict[str, dict[str, Any]] = {"workers": {}, "tracks": {}, "partitions": {}, "flush_interval_s": {}}
    base = Spec(plays)
    with brokers.one(folder / "broker-base") as broker:
        data = fill(broker, base)
        for workers in (1, 2):
            axes["workers"][str(workers)] = _count(data, folder, say, f"{workers} workers", workers=workers)
        for interval in FLUSHES_S:
            environ = {"CHARTS_FLUSH_INTERVAL": str(interval)}
            axes["flush_interval_s"][str(interval)] = _count(
                data, folder, say, f"flush {interval} s", environ
            )
    common = axes["workers"]["1"]
    axes["flush_interval_s"]["1"] = axes["tracks"]["1000000"] = axes["partitions"]["4"] = common
    for axis, values in (("tracks", TRACKS), ("partitions", PARTITIONS)):
        for value in values:
            spec = replace(base, **{axis: value})
            with brokers.one(folder / f"broker-{axis}-{value}") as broker:
                axes[axis][str(value)] = _count(fill(broker, spec), folder, say, f"{value:,} {axis}")
        axes[axis] = dict(sorted(axes[axis].items(), key=lambda item: int(item[0])))
    return {"plays": plays, "axes": axes}


def _count(
    data: DataSet,
    folder: Path,
    say: Say,
    what: str,
    environ: dict[str, str] | None = None,
    workers: int = 1,
) -> dict[str, Any]:
    place = folder / what.replace(" ", "-")
    place.mkdir(parents=True)
    with Workers(data, place, environ or {}, workers) as ours:
        count = ours.counted()
        ours.compare_charts()
        changelog = ours.changelog_bytes()
    row = _row(count, data.spec.plays, changelog)
    say(f"ours, {what}: {row['plays_per_s']:,} plays/s, charts compared with the truth")
    return row


def _row(count: Count, plays: int, changelog: int) -> dict[str, Any]:
    return {
        "plays_per_s": round(plays / count.seconds),
        "cpu_s_per_million": round(count.cpu_s / plays * 1e6, 2),
        "rss_max_mb": round(count.rss_max / 1e6),
        "changelog_bytes_per_play": round(changelog / plays, 1),
        **{name: round(value, 2) for name, value in asdict(count).items() if name == "start_s"},
    }


def hour_23(plays: int, brokers: Brokers, folder: Path, say: Say) -> dict[str, Any]:
    """The last hour of a day, when hot tracks hold every region and the whole day is in the store."""
    day = Spec(plays, span_ms=DAY_MS - HOUR_MS, start=_MIDNIGHT)
    rows = {}
    with brokers.one(folder / "broker-day") as broker:
        data = fill(broker, day)
        place = folder / "day"
        place.mkdir()
        ours = Workers(data, place, {})
        with ours:
            count = ours.counted()
            before = ours.changelog_bytes()
            rows["hours 0 to 22"] = _row(count, plays, before)
        last = replace(day, plays=plays // 4, span_ms=HOUR_MS, start=_MIDNIGHT + 23 * HOUR_MS)
        fill(broker, last, into=data)
        with ours:
            count = ours.counted(plays + plays // 4)
            ours.compare_charts(since_hour=_MIDNIGHT // HOUR_MS + 23)
            rows["hour 23"] = _row(count, plays // 4, ours.changelog_bytes() - before)
    for what, row in rows.items():
        rate, weight = row["plays_per_s"], row["changelog_bytes_per_play"]
        say(f"ours, {what}: {rate:,} plays/s, {weight} changelog bytes a play")
    return {"plays": plays, "rows": rows}


def memory(plays: int, brokers: Brokers, folder: Path, say: Say) -> dict[str, Any]:
    """Resident memory half way and at the end of many plays that are all still remembered."""
    spec = Spec(plays)
    with brokers.one(folder / "broker-memory") as broker:
        data = fill(broker, spec, count=False)
        place = folder / "memory"
        place.mkdir()
        marks: dict[str, Any] = {}
        with Workers(data, place, {}) as ours:
            ours.opened()
            began = now()
            for share in (4, 2, 1):
                ours.until_counted(plays // share)
                marks[str(plays // share)] = {
                    "rss_mb": round(ours.rss() / 1e6),
                    "after_s": round(now() - began, 1),
                }
            count = ours.counted()
            peak = round(count.rss_max / 1e6)
    for mark, row in marks.items():
        say(f"ours, {int(mark):,} plays: {row['rss_mb']:,} MB resident")
    return {"plays": plays, "marks": marks, "rss_max_mb": peak, "allowed_mb": round(700 + 20 * plays / 1e6)}
