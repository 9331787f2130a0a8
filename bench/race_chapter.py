"""The race, as a chapter of the report: every contender, what it lacks, and Kafka Streams per core."""

from pathlib import Path
from typing import Any

from bench.field import OURS, OURS_UNCHECKED, STREAMS, STREAMS_AT_LEAST_ONCE
from bench.markdown import file_of, form, on, table
from bench.plots import bars

Found = dict[str, Any]

_WORK = (
    "The same work for all: plays by Zipf 1.0 over a million tracks, 60 weighted regions, three hours of event",
    "time, keyed by track, 4 partitions, uncompressed JSON of some 215 bytes, sent once by the simulator; count",
    "per region, hour and track. Each contender reads from the beginning in its own process, runs interleaved,",
    "the first one unmeasured. Slow ones get fewer plays of the same kind. Every cell of every answer was",
    "compared with the truth, ours also chart by chart over HTTP and count by count in RocksDB; an answer that",
    "differs is not measured. Ours counts the regions' sums and the days as well, keeps the top 100 of each, and",
    "its time ends when all of that is acknowledged in the changelog, in RocksDB and on the boards; it begins",
    "when its partitions are open, before the first fetch. The ceiling reads records and drops them.",
)


def race(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    rows = figures["rows"]
    own = (OURS, OURS_UNCHECKED)
    rates = [(row, row["plays_per_s"], f"{row['plays_per_s']:,} plays/s") for row in rows]
    per_cpu = [
        (row, 1e6 / row["cpu_s_per_million"], f"{row['cpu_s_per_million']:.1f} CPU s per million")
        for row in rows
        if row["cpu_s_per_million"]
    ]
    files = file_of("race", name), file_of("cpu", name)
    titles = f"Plays per second (median), on {broker}", f"Plays per CPU second, on {broker}"
    for file, title, values in zip(files, titles, (rates, per_cpu), strict=True):
        plot = [(row["name"], length, written, row["name"] in own) for row, length, written in values]
        (plots / file).write_text(bars(title, plot))
    return [
        f"## The field{on(name, broker)}",
        "",
        *(
            _WORK
            if name == "race"
            else ("The same plays, the same work, the same comparison with the truth.",)
        ),
        "",
        *table(_RACE_TITLES, [_race_cells(row) for row in rows]),
        *_beside_streams(rows),
        "",
        *(f"- {absent}: not here: {why}" for absent, why in figures["absent"].items()),
        "",
        f"![plays per second](benchmarks/{files[0]})",
        "",
        f"![plays per CPU second](benchmarks/{files[1]})",
    ]


_RACE_TITLES = (
    "",
    "plays × runs",
    "plays/s, median",
    "least–most",
    "of the ceiling",
    "of ours",
    "CPU s per million",
    "peak MB",
    "start s",
    "recovery s",
    "changelog bytes a play",
    "what it does not do",
)


def _race_cells(row: Found) -> list[str]:
    return [
        row["title"],
        f"{row['plays']:,} × {row['runs']}",
        f"{row['plays_per_s']:,}",
        f"{row['plays_per_s_least']:,}–{row['plays_per_s_most']:,}",
        form(row["to_ceiling"], ".2f"),
        form(row["to_ours"], ".3f"),
        form(row["cpu_s_per_million"], ".1f"),
        f"{row['rss_max_mb']:,}",
        form(row["start_s"], ".1f"),
        form(row["recovery_s"], ".1f"),
        form(row["changelog_bytes_per_play"], ".0f"),
        row["lacks"],
    ]


def _beside_streams(rows: list[Found]) -> list[str]:
    """Per core: CPU seconds per million plays, ours and Kafka Streams'."""
    cpu = {row["name"]: row["cpu_s_per_million"] for row in rows}
    streams = [row for row in rows if row["name"] in (STREAMS, STREAMS_AT_LEAST_ONCE)]
    if not streams or not {OURS, OURS_UNCHECKED} <= cpu.keys():
        return []
    cells = []
    for row in streams:
        for when, seconds in (("", row["cpu_s_per_million"]), (", warm", row["warm_cpu_s_per_million"])):
            if seconds:
                times = [f"{seconds / cpu[ours]:.2f}" for ours in (OURS, OURS_UNCHECKED)]
                cells.append([row["title"] + when, f"{seconds:.1f}", *times])
    return [
        "",
        "Per core, on this broker: how many plays ours counts on the CPU time of one of Kafka Streams'. Warm is the",
        "second half of its plays, when its JVM has compiled what it runs. The broker's own time is left out.",
        "",
        *table(("", "CPU s per million", "ours", "ours, duplicates not checked"), cells),
    ]
