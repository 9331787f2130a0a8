"""The chapters of the report: each section's figures as Markdown, with plots."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench.field import OURS, OURS_UNCHECKED, STREAMS, STREAMS_AT_LEAST_ONCE
from bench.plots import bars

Found = dict[str, Any]
#: The name a section is kept under, its broker, its figures, and where plots go.
Chapter = Callable[[str, str, Any, Path], list[str]]

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


def _on(name: str, broker: str) -> str:
    """The broker, in a title, unless it is the usual one."""
    return f", on {broker}" if " on " in name else ""


def _file(plot: str, name: str) -> str:
    _, _, kind = name.partition(" on ")
    return f"{plot}-{kind}.svg" if kind else f"{plot}.svg"


def unmeasured(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    """Why there is nothing."""
    return [
        f"## {name.partition(' on ')[0].capitalize()}{_on(name, broker)}",
        "",
        f"Not measured here: {figures['not measured']}.",
    ]


def _race(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    rows = figures["rows"]
    own = (OURS, OURS_UNCHECKED)
    rates = [(row, row["plays_per_s"], f"{row['plays_per_s']:,} plays/s") for row in rows]
    per_cpu = [
        (row, 1e6 / row["cpu_s_per_million"], f"{row['cpu_s_per_million']:.1f} CPU s per million")
        for row in rows
        if row["cpu_s_per_million"]
    ]
    files = _file("race", name), _file("cpu", name)
    titles = f"Plays per second (median), on {broker}", f"Plays per CPU second, on {broker}"
    for file, title, values in zip(files, titles, (rates, per_cpu), strict=True):
        plot = [(row["name"], length, written, row["name"] in own) for row, length, written in values]
        (plots / file).write_text(bars(title, plot))
    return [
        f"## The field{_on(name, broker)}",
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
        *(f"- {absent}: not measured here: {why}" for absent, why in figures["absent"].items()),
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
        _form(row["to_ceiling"], ".2f"),
        _form(row["to_ours"], ".3f"),
        _form(row["cpu_s_per_million"], ".1f"),
        f"{row['rss_max_mb']:,}",
        _form(row["start_s"], ".1f"),
        _form(row["recovery_s"], ".1f"),
        _form(row["changelog_bytes_per_play"], ".0f"),
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


def _scaling(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    lines = [
        f"## Scaling{_on(name, broker)}",
        "",
        f"One axis at a time, {figures['plays']:,} plays, otherwise as above, one run each. On two cores a second worker",
        "shares them with the first and with the broker.",
    ]
    for axis, rows in figures["axes"].items():
        along = axis.replace("_", " ")
        plot = [
            (f"{int(v):,}" if v.isdigit() else v, row["plays_per_s"], f"{row['plays_per_s']:,} plays/s", True)
            for v, row in rows.items()
        ]
        file = _file(axis, name)
        (plots / file).write_text(bars(f"Plays per second by {along}", plot))
        cells = [[label, *_row_cells(row)] for (label, *_), row in zip(plot, rows.values(), strict=True)]
        titles = (along, "plays/s", "CPU s per million", "peak MB", "changelog bytes a play")
        lines += ["", *table(titles, cells), "", f"![by {along}](benchmarks/{file})"]
    return lines


def _row_cells(row: Found) -> list[str]:
    return [
        f"{row['plays_per_s']:,}",
        f"{row['cpu_s_per_million']:.1f}",
        f"{row['rss_max_mb']:,}",
        f"{row['changelog_bytes_per_play']:.0f}",
    ]


def _hour_23(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    cells = [[what, *_row_cells(row)] for what, row in figures["rows"].items()]
    return [
        f"## The last hour of a day{_on(name, broker)}",
        "",
        f"{figures['plays']:,} plays over 23 hours, then a quarter as many in the 24th, counted by a restarted worker.",
        "",
        *table(("", "plays/s", "CPU s per million", "peak MB", "changelog bytes a play"), cells),
    ]


def _freshness(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    rows = [
        [
            "from the broker's acknowledgement to the ledger and the boards",
            *(f"{figures[f'fresh_{name}_ms']:,.0f}" for name in ("p50", "p99", "max")),
        ],
        [
            f"`GET /v1/charts/global/hour`, {figures['reads_per_s']} a second beside it",
            *(f"{figures[f'read_{name}_ms']:,.1f}" for name in ("p50", "p99", "max")),
        ],
    ]
    return [
        f"## Freshness{_on(name, broker)}",
        "",
        f"{figures['rate']:,} plays/s for {figures['seconds']} s; sender, reader, broker and worker share the cores;",
        f"the worker takes {figures['cpu_cores']} of them. Milliseconds:",
        "",
        *table(("", "p50", "p99", "max"), rows),
    ]


def _memory(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    cells = [
        [f"{int(mark):,}", f"{row['rss_mb']:,}", f"{row['after_s']}"]
        for mark, row in figures["marks"].items()
    ]
    return [
        f"## Memory{_on(name, broker)}",
        "",
        f"All plays remembered. Peak {figures['rss_max_mb']:,} MB; allowed are 700 MB and 20 MB per million remembered",
        f"plays, here {figures['allowed_mb']:,} MB. The ledger was compared with the truth, the charts were not.",
        "",
        *table(("plays", "resident MB", "after s"), cells),
    ]


def _profile(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    tables = (
        ("us_per_play_by_thread", "by thread"),
        ("us_per_play_below_function", "in and below our functions"),
        ("us_per_play_in_function", "in the function itself"),
    )
    lines = [
        f"## Profile{_on(name, broker)}",
        "",
        f"Sampled from outside (py-spy, {figures['samples']:,} samples) while {figures['plays']:,} plays were counted;",
        "microseconds of a thread's time per play. Threads that wait are left out; one that waits for the GIL is not.",
    ]
    for key, title in tables:
        cells = [[f"`{place}`", f"{us:.3f}"] for place, us in figures[key].items()]
        lines += ["", *table((title, "µs per play"), cells)]
    return lines


def _lake(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    titles = ("plays/s", "CPU s per million", "peak MB", "bytes a play, raw")
    keys = ("plays_per_s", "cpu_s_per_million", "rss_max_mb", "raw_bytes_per_play")
    return [
        f"## The lake{_on(name, broker)}",
        "",
        f"{figures['plays']:,} plays of one hour, from the broker into full Parquet files in an object store, one worker.",
        "",
        *table(titles, [[f"{figures[key]:,}" for key in keys]]),
    ]


CHAPTERS: dict[str, Chapter] = {
    "race": _race,
    "scaling": _scaling,
    "hour-23": _hour_23,
    "freshness": _freshness,
    "memory": _memory,
    "profile": _profile,
    "lake": _lake,
}


def parts(name: str, broker: str, figures: Any, plots: Path) -> list[str]:
    """What another part's bench said: a row per document, or per figure of its one document."""
    if isinstance(figures, dict):
        rows = [[key.replace("_", " "), _said(value)] for key, value in figures.items()]
    else:
        rows = [
            [_said([each[key] for key in _NAMES if key in each]), _said(_others(each))] for each in figures
        ]
    return [f"## {_PARTS[name]}", "", f"As `python -m bench.{name}` says.", "", *table(("", ""), rows)]


def _others(document: Found) -> Found:
    return {key: value for key, value in document.items() if key not in _NAMES}


#: What a document calls itself.
_NAMES = ("figure", "what")
_PARTS = {"http": "HTTP", "history": "History and catalogue"}


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_said(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _form(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    titles = list(titles)
    return [
        "| " + " | ".join(titles) + " |",
        "|" + "---|" * len(titles),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
