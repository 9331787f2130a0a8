"""The targets, and whether the last figures meet them."""

from collections.abc import Iterator
from typing import Any

from bench.field import CEILING, OURS, OURS_UNCHECKED, STREAMS

Target = tuple[str, str, str, str]
#: Those that keep what they count in memory, and are Python.
_PEERS = ("faust", "faust take", "bytewax", "pathway", "quix")


def targets(found: dict[str, Any]) -> Iterator[Target]:
    """(target, wanted, measured, met)."""
    rows = {row["name"]: row for row in found["race"]["figures"]["rows"]}
    rates = {name: row["plays_per_s"] for name, row in rows.items()}
    if {CEILING, OURS, OURS_UNCHECKED} <= rates.keys():
        ceiling, ours, unchecked = (rates[name] for name in (CEILING, OURS, OURS_UNCHECKED))
        yield _at_least("durable, of the bare loop, duplicates not checked", 1.0, unchecked / ceiling)
        yield _at_least("durable, of the bare loop, duplicates checked", 0.8, ours / ceiling)
        yield _at_least("with the duplicates check, of without", 0.8, ours / unchecked)
        peers = {name: rates[name] for name in _PEERS if name in rates}
        if peers:
            best = max(peers, key=lambda name: peers[name])
            yield _at_least(f"of the best Python peer ({best})", 4.0, ours / peers[best])
    yield _beside_streams(found)
    if _is_there(found, "scaling"):
        axes: dict[str, Any] = found["scaling"]["figures"]["axes"]
        most, least = axes["tracks"]["10000000"], axes["tracks"]["100000"]
        yield _at_least("10⁷ tracks, of 10⁵", 0.5, most["plays_per_s"] / least["plays_per_s"])
        two, one = axes["workers"]["2"], axes["workers"]["1"]
        yield _at_least(
            "two workers, of one (two cores in all)", 1.5, two["plays_per_s"] / one["plays_per_s"]
        )
    if _is_there(found, "memory"):
        figures = found["memory"]["figures"]
        peak, allowed = figures["rss_max_mb"], figures["allowed_mb"]
        yield "peak memory", f"≤ {allowed:,} MB", f"{peak:,} MB", "met" if peak <= allowed else "missed"


def _is_there(found: dict[str, Any], section: str) -> bool:
    return section in found and "not measured" not in found[section]["figures"]


def _beside_streams(found: dict[str, Any]) -> Target:
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


def _at_least(name: str, wanted: float, measured: float) -> Target:
    return name, f"≥ {wanted:g}", f"{measured:.2f}", "met" if measured >= wanted else "missed"
