"""The targets, and whether the last figures meet them."""

from collections.abc import Iterator
from typing import Any

from bench.field import CEILING, OURS, OURS_UNCHECKED

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
    absent = found["race"]["figures"]["absent"]
    if "Kafka Streams" in absent:
        yield "faster than Kafka Streams, per core", "> 1", f"not measured: {absent['Kafka Streams']}", "open"
    if "scaling" in found:
        axes: dict[str, Any] = found["scaling"]["figures"]["axes"]
        most, least = axes["tracks"]["10000000"], axes["tracks"]["100000"]
        yield _at_least("10⁷ tracks, of 10⁵", 0.5, most["plays_per_s"] / least["plays_per_s"])
        two, one = axes["workers"]["2"], axes["workers"]["1"]
        yield _at_least(
            "two workers, of one (two cores in all)", 1.5, two["plays_per_s"] / one["plays_per_s"]
        )
    if "memory" in found:
        figures = found["memory"]["figures"]
        peak, allowed = figures["rss_max_mb"], figures["allowed_mb"]
        yield "peak memory", f"≤ {allowed:,} MB", f"{peak:,} MB", "met" if peak <= allowed else "missed"


def _at_least(name: str, wanted: float, measured: float) -> Target:
    return name, f"≥ {wanted:g}", f"{measured:.2f}", "met" if measured >= wanted else "missed"
