"""Scaling: our worker along one axis at a time, all else as in the race; charts compared every time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.brokers import Brokers
from bench.dataset import DataSet, Spec, fill
from bench.ours import FLUSH_INTERVAL_S, Count, Workers
from bench.race import Say

TRACKS = (100_000, 10_000_000)
PARTITIONS = (1, 16)
FLUSHES_S = (0.25, 0.5, 1)


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
    axes["flush_interval_s"][FLUSH_INTERVAL_S] = axes["tracks"]["1000000"] = axes["partitions"]["4"] = common
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
    row = row_of(count, data.spec.plays, changelog)
    say(f"ours, {what}: {row['plays_per_s']:,} plays/s, charts compared with the truth")
    return row


def row_of(count: Count, plays: int, changelog: int) -> dict[str, Any]:
    """How a count went, for the report."""
    return {
        "plays_per_s": round(plays / count.seconds),
        "cpu_s_per_million": round(count.cpu_s / plays * 1e6, 2),
        "rss_max_mb": round(count.rss_max / 1e6),
        "changelog_bytes_per_play": round(changelog / plays, 1),
        "values_per_flush": count.values_per_flush,
        "start_s": round(count.start_s, 2),
    }
