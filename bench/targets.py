"""The targets, and whether the last figures meet them. One that was not measured is open, never left out."""

from collections.abc import Iterator
from typing import Any

from bench.field import CEILING, OURS, OURS_UNCHECKED, STREAMS

#: What is wanted, how much of it, what was measured, and whether that is enough.
Target = tuple[str, str, str, str]
Found = dict[str, Any]
#: Those that keep what they count in memory, and are Python.
_PEERS = ("faust", "faust take", "bytewax", "pathway", "quix")
_MEMORY_MB = 700
#: Memory that grows by no more than this does not grow: measuring twice differs by as much.
_FLAT = 1.05


def targets(found: Found) -> Iterator[Target]:
    """(target, wanted, measured, met)."""
    yield from _race(found)
    yield _beside_streams(found)
    yield from _scaling(found)
    yield from _hour_23(found)
    yield from _memory(found)
    yield from _freshness(found)
    yield from _recovery(found)


def _race(found: Found) -> Iterator[Target]:
    rates = {row["name"]: row["plays_per_s"] for row in _figures(found, "race").get("rows", [])}
    ceiling, ours, unchecked = (rates.get(name) for name in (CEILING, OURS, OURS_UNCHECKED))
    yield _at_least("durable, of the bare loop, duplicates not checked", 1.0, _ratio(unchecked, ceiling))
    yield _at_least("durable, of the bare loop, duplicates checked", 0.8, _ratio(ours, ceiling))
    yield _at_least("with the duplicates check, of without", 0.8, _ratio(ours, unchecked))
    peers = [name for name in _PEERS if name in rates]
    best = max(peers, key=lambda name: rates[name], default="none measured")
    yield _at_least(f"of the best Python peer ({best})", 4.0, _ratio(ours, rates.get(best)))
    for name, wanted in (("bytewax", 3.0), ("pathway", 3.0), ("faust", 80.0)):
        said = "the plain Faust agent" if name == "faust" else name.capitalize()
        yield _at_least(f"of {said}, duplicates not checked", wanted, _ratio(unchecked, rates.get(name)))


def _beside_streams(found: Found) -> Target:
    """Ours with all it does, and Kafka Streams at its best: exactly once as we are, its JVM warm."""
    name, wanted = "faster than Kafka Streams on the same broker, per core", "> 1"
    places = [place for place in ("race on apache", "race on given") if place in found]
    if not places:
        return name, wanted, "not measured", "open"
    figures = found[places[0]]["figures"]
    rows = {row["name"]: row for row in figures.get("rows", [])}
    if not {OURS, STREAMS} <= rows.keys():
        why = figures.get("not measured") or figures["absent"].get(STREAMS) or figures["absent"][OURS]
        return name, wanted, f"not measured: {why}", "open"
    ours = rows[OURS]["cpu_s_per_million"]
    row = rows[STREAMS]
    theirs = min(row["cpu_s_per_million"], row["warm_cpu_s_per_million"] or row["cpu_s_per_million"])
    measured = f"{theirs / ours:.2f} ({ours:.1f} against {theirs:.1f} CPU s per million)"
    return name, wanted, measured, "met" if theirs > ours else "missed"


def _scaling(found: Found) -> Iterator[Target]:
    axes = _figures(found, "scaling").get("axes", {})
    for name, wanted, axis, more, less in (
        ("10⁷ tracks, of 10⁵", 0.5, "tracks", "10000000", "100000"),
        ("two workers, of one (two cores in all)", 1.5, "workers", "2", "1"),
    ):
        rates = {value: row["plays_per_s"] for value, row in axes.get(axis, {}).items()}
        yield _at_least(name, wanted, _ratio(rates.get(more), rates.get(less)))


def _hour_23(found: Found) -> Iterator[Target]:
    figures = _figures(found, "hour-23")
    row = figures.get("rows", {}).get("ours, duplicates not checked, hour 23", {})
    measured = _ratio(row.get("plays_per_s"), figures.get("bare_plays_per_s"))
    yield _at_least("hour 23, of the bare loop, duplicates not checked", 1.0, measured)


def _memory(found: Found) -> Iterator[Target]:
    figures = _figures(found, "memory")
    ways = figures.get("ways", {})
    allowed, peak = figures.get("allowed_mb"), ways.get("remembered", {}).get("rss_max_mb")
    each = f"{_MEMORY_MB} MB and 20 MB per million remembered plays"
    yield _at_most(f"peak memory: {each}", allowed, peak, "MB")
    marks = ways.get("not remembered", {}).get("marks", {})
    _, half, whole = [(int(plays), row["rss_mb"]) for plays, row in marks.items()] or [(0, None)] * 3
    after = f"after {half[0]:,} plays" if marks else "half way"
    yield _at_most(f"memory without remembered ids, {after}", _MEMORY_MB, half[1], "MB")
    growth = _ratio(whole[1], half[1])
    yield _at_most("the same after twice as many, of that", _FLAT, growth and round(growth, 2), "")


def _freshness(found: Found) -> Iterator[Target]:
    figures = _figures(found, "freshness")
    rate = f"{figures.get('rate', 20_000):,} plays/s"
    yield _at_most(f"a play in the chart at {rate}, p99", 2_500, figures.get("fresh_p99_ms"), "ms")
    yield _at_most("HTTP beside it, p99", 50, figures.get("read_p99_ms"), "ms")


def _recovery(found: Found) -> Iterator[Target]:
    """A million tallies; the broker's own delay is left out where the target says so."""
    figures = _figures(found, "recovery")
    seconds = {way: row["first_play_s"] for way, row in figures.get("ways", {}).items()}
    tallies = f"{figures['tallies']:,} tallies" if figures else "a million tallies"
    local, changelog = seconds.get("RocksDB"), seconds.get("the changelog")
    yield _at_most(f"start to first play counted, {tallies} in RocksDB", 8, local, "s")
    net = None if changelog is None else round(changelog - figures["join_s"], 1)
    yield _at_most("the same from the changelog alone, less the broker's join delay", 12, net, "s")


def _figures(found: Found, section: str) -> dict[str, Any]:
    figures = found[section]["figures"] if section in found else {}
    return {} if "not measured" in figures else figures


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def _at_least(name: str, wanted: float, measured: float | None) -> Target:
    if measured is None:
        return name, f"≥ {wanted:g}", "not measured", "open"
    return name, f"≥ {wanted:g}", f"{measured:.2f}", "met" if measured >= wanted else "missed"


def _at_most(name: str, wanted: float | None, measured: float | None, unit: str) -> Target:
    most = "" if wanted is None else f"≤ {wanted:,} {unit}".rstrip()
    if measured is None or wanted is None:
        return name, most, "not measured", "open"
    return name, most, f"{measured:,} {unit}".rstrip(), "met" if measured <= wanted else "missed"
