"""The chapters of the report: each section's figures as Markdown, with plots."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.markdown import file_of, on, table
from bench.plots import bars
from bench.race_chapter import race

Found = dict[str, Any]
#: The name a section is kept under, its broker, its figures, and where plots go.
Chapter = Callable[[str, str, Any, Path], list[str]]


def unmeasured(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    """Why there is nothing."""
    return [
        f"## {name.partition(' on ')[0].capitalize()}{on(name, broker)}",
        "",
        f"Not measured here: {figures['not measured']}.",
    ]


def _scaling(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    lines = [
        f"## Scaling{on(name, broker)}",
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
        file = file_of(axis, name)
        (plots / file).write_text(bars(f"Plays per second by {along}", plot))
        cells = [[label, *_row_cells(row)] for (label, *_), row in zip(plot, rows.values(), strict=True)]
        titles = (along, *_ROW_TITLES)
        lines += ["", *table(titles, cells), "", f"![by {along}](benchmarks/{file})"]
    return lines


_ROW_TITLES = ("plays/s", "CPU s per million", "peak MB", "changelog bytes a play", "keys in a flush")


def _row_cells(row: Found) -> list[str]:
    return [
        f"{row['plays_per_s']:,}",
        f"{row['cpu_s_per_million']:.1f}",
        f"{row['rss_max_mb']:,}",
        f"{row['changelog_bytes_per_play']:.0f}",
        f"{row['values_per_flush']:,}",
    ]


def _hour_23(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    cells = [[what, *_row_cells(row)] for what, row in figures["rows"].items()]
    cells.append(["bare `getmany` on the same topic", f"{figures['bare_plays_per_s']:,}", *[""] * 4])
    return [
        f"## The last hour of a day{on(name, broker)}",
        "",
        f"{figures['plays']:,} plays over 23 hours, then {figures['plays_in_hour_23']:,} in the 24th, counted by a restarted worker,",
        f"{figures['rounds']} times over, of which the middle one is shown; a bare loop reads the topic before, between and after.",
        "",
        *table(("", *_ROW_TITLES), cells),
    ]


def _recovery(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    join_s = figures["join_s"]
    cells = [
        [
            f"from {way}",
            f"{seconds['open_s']:.1f}",
            f"{seconds['first_play_s']:.1f}",
            f"{seconds['first_play_s'] - join_s:.1f}",
        ]
        for way, seconds in figures["ways"].items()
    ]
    titles = ("seconds from the start", "partitions open", "first play counted", "less the broker's delay")
    return [
        f"## Recovery{on(name, broker)}",
        "",
        f"A worker that stopped starts again with {figures['tallies']:,} tallies and plays that wait, three times each way.",
        f"Whoever joins a group alone waits {join_s:.1f} s on this broker.",
        "",
        *table(titles, cells),
    ]


def _freshness(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    rows = [
        [
            "from the broker's acknowledgement to `GET /v1/charts/global/day`",
            *(f"{figures[f'fresh_{name}_ms']:,.0f}" for name in ("p50", "p99", "max")),
        ],
        [
            f"`GET /v1/charts/global/hour`, {figures['reads_per_s']} a second beside it",
            *(f"{figures[f'read_{name}_ms']:,.1f}" for name in ("p50", "p99", "max")),
        ],
    ]
    return [
        f"## Freshness{on(name, broker)}",
        "",
        f"{figures['rate']:,} plays/s for {figures['seconds']} s; sender, reader, broker and worker share the cores;",
        f"the worker takes {figures['cpu_cores']} of them. Milliseconds:",
        "",
        *table(("", "p50", "p99", "max"), rows),
    ]


def _memory(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    lines = [
        f"## Memory{on(name, broker)}",
        "",
        f"Up to {figures['plays']:,} plays of a million tracks, within three hours. Resident is the mean of two seconds,",
        "at rest twelve seconds after the last play. The ledger was compared with the truth, the charts were not.",
    ]
    for way, row in figures["ways"].items():
        cells = [
            [f"{int(mark):,}", f"{each['rss_mb']:,}", f"{each['after_s']}"]
            for mark, each in row["marks"].items()
        ]
        cells += [["most", f"{row['rss_max_mb']:,}", ""], ["at rest", f"{row['rest_mb']:,}", ""]]
        lines += ["", *table((f"plays, their ids {way}", "resident MB", "after s"), cells)]
    return lines


def _profile(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    tables = (
        ("us_per_play_by_thread", "by thread"),
        ("us_per_play_below_function", "in and below our functions"),
        ("us_per_play_in_function", "in the function itself"),
    )
    lines = [
        f"## Profile{on(name, broker)}",
        "",
        f"Sampled from outside (py-spy, {figures['samples']:,} samples) while {figures['plays']:,} plays were counted;",
        "microseconds of a thread's time per play. Threads that wait are left out; one that waits for the GIL is not.",
        *_bottleneck(figures),
    ]
    for key, title in tables:
        cells = [[f"`{place}`", f"{us:.3f}"] for place, us in figures[key].items()]
        lines += ["", *table((title, "µs per play"), cells)]
    return lines


def _bottleneck(figures: Found) -> list[str]:
    """The thread that bounds a worker, however many cores there are, and what it does most."""
    threads, functions = figures["us_per_play_by_thread"], figures["us_per_play_below_function"]
    if not threads or not functions:
        return []
    busiest, dearest = (max(us, key=lambda name: us[name]) for us in (threads, functions))
    return [
        f"The busiest thread, `{busiest}`, bounds a worker at {1e6 / threads[busiest]:,.0f} plays/s where cores abound; here they are shared,",
        f"and the dearest of our functions is `{dearest}`.",
    ]


def _lake(name: str, broker: str, figures: Found, plots: Path) -> list[str]:
    titles = ("plays/s", "CPU s per million", "peak MB", "bytes a play, raw")
    keys = ("plays_per_s", "cpu_s_per_million", "rss_max_mb", "raw_bytes_per_play")
    return [
        f"## The lake{on(name, broker)}",
        "",
        f"{figures['plays']:,} plays of one hour, from the broker into full Parquet files in an object store, one worker.",
        "",
        *table(titles, [[f"{figures[key]:,}" for key in keys]]),
    ]


CHAPTERS: dict[str, Chapter] = {
    "race": race,
    "scaling": _scaling,
    "hour-23": _hour_23,
    "freshness": _freshness,
    "recovery": _recovery,
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
