"""The report: docs/benchmarks.md and its plots, made from what was measured last; nothing in it by hand."""

from collections.abc import Iterable
from typing import Any

import orjson

from bench.field import OURS, OURS_UNCHECKED, ROOT
from bench.plots import bars
from bench.targets import targets

PAGE = ROOT / "docs/benchmarks.md"
PLOTS = ROOT / "docs/benchmarks"
#: The world's on-demand audio streams: some five trillion a year.
_WORLD = 160_000

Found = dict[str, Any]


def write(found: Found) -> None:
    """The page, with the sections there are."""
    PLOTS.mkdir(exist_ok=True)
    makers = {
        "race": _race,
        "scaling": _scaling,
        "hour-23": _hour_23,
        "freshness": _freshness,
        "memory": _memory,
        "profile": _profile,
    }
    lines = _head(found)
    for section, entry in found.items():
        make = makers.get(section, _raw)
        lines += ["", *make(section, entry["figures"]), "", _origin(entry)]
    PAGE.write_text("\n".join(lines) + "\n")


def _head(found: Found) -> list[str]:
    machine = next(iter(found.values()))["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; `make bench-quick` prints the ratios in under three minutes.",
        "`.venv/bin/python -m bench freshness profile` measures single sections again and keeps the others.",
        "",
        f"Machine: {machine['cores']} cores ({machine['cpu']}), {machine['memory_gb']} GB, shared with the broker, the",
        f"load and other work: single figures move by a third from run to run, so read the ratios. Python "
        f"{machine['python']}, {versions}.",
    ]
    if any(entry["machine"]["load_1_5_15"][0] > 1 for entry in found.values()):
        lines += [
            "",
            "**These figures were not taken on a quiet machine**: the load before each section stands below it, and the",
            "data sets were small (so the wait for the last flush, up to a second, weighs). They show that every",
            "contender answered right, not how fast any of them is, nor whether a target is met: `make bench` on a",
            "quiet machine replaces them.",
        ]
    return [*lines, "", *_targets(found)] if "race" in found else lines


def _targets(found: Found) -> list[str]:
    rows = [[name, wanted, measured, met] for name, wanted, measured, met in targets(found)]
    return ["## Targets", "", *_table(("target", "wanted", "measured", ""), rows)]


def _origin(entry: Found) -> str:
    machine = entry["machine"]
    load = machine["load_1_5_15"][0]
    return f"<sub>{machine['date']}, load {load} before it began: `{entry['command']}`</sub>"


def _race(section: str, figures: Found) -> list[str]:
    rows = figures["rows"]
    own = (OURS, OURS_UNCHECKED)
    plot = [
        (row["name"], row["plays_per_s"], f"{row['plays_per_s']:,} plays/s", row["name"] in own)
        for row in rows
    ]
    (PLOTS / "race.svg").write_text(bars("Plays per second (median)", plot))
    per_cpu = [
        (
            row["name"],
            1e6 / row["cpu_s_per_million"],
            f"{row['cpu_s_per_million']:.1f} CPU s per million",
            row["name"] in own,
        )
        for row in rows
        if row["cpu_s_per_million"]
    ]
    (PLOTS / "cpu.svg").write_text(bars("Plays per CPU second", per_cpu))
    cells = [
        [
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
        for row in rows
    ]
    titles = (
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
    ours = next((row for row in rows if row["name"] == OURS), None)
    lines = [
        "## The field",
        "",
        "The same work for all: plays by Zipf 1.0 over a million tracks, 60 weighted regions, three hours of event",
        "time, keyed by track, 4 partitions, uncompressed JSON of some 215 bytes on the embedded broker, sent once by",
        "the simulator; count per region, hour and track. Each contender reads from the beginning in its own process,",
        "runs interleaved, the first one unmeasured. Slow ones get fewer plays of the same kind. Every cell of every",
        "answer was compared with the truth, ours also chart by chart over HTTP and count by count in RocksDB; an",
        "answer that differs is not measured. Ours counts the regions' sums and the days as well, keeps the top 100",
        "of each, and its time ends when all of that is acknowledged in the changelog, in RocksDB and on the boards;",
        "it begins when its partitions are open, before the first fetch. The ceiling reads records and drops them.",
        "",
        *_table(titles, cells),
        "",
        *(f"- {name}: not measured here: {why}" for name, why in figures["absent"].items()),
        "",
        "![plays per second](benchmarks/race.svg)",
        "",
        "![plays per CPU second](benchmarks/cpu.svg)",
    ]
    if ours:
        cores = ours["cpu_s_per_million"] * _WORLD / 1e6
        lines += [
            "",
            f"The world's on-demand audio streams, some five trillion a year, average {_WORLD:,} plays/s: at",
            f"{ours['cpu_s_per_million']:.1f} CPU seconds per million that is {cores:.2f} cores of ours, the broker apart.",
        ]
    return lines


def _scaling(section: str, figures: Found) -> list[str]:
    lines = [
        "## Scaling",
        "",
        f"One axis at a time, {figures['plays']:,} plays, otherwise as above, one run each. On two cores a second worker",
        "shares them with the first and with the broker.",
    ]
    for axis, rows in figures["axes"].items():
        name = axis.replace("_", " ")
        plot = [
            (f"{int(v):,}" if v.isdigit() else v, row["plays_per_s"], f"{row['plays_per_s']:,} plays/s", True)
            for v, row in rows.items()
        ]
        (PLOTS / f"{axis}.svg").write_text(bars(f"Plays per second by {name}", plot))
        cells = [[label, *_row_cells(row)] for (label, *_), row in zip(plot, rows.values(), strict=True)]
        titles = (name, "plays/s", "CPU s per million", "peak MB", "changelog bytes a play")
        lines += ["", *_table(titles, cells), "", f"![by {name}](benchmarks/{axis}.svg)"]
    return lines


def _row_cells(row: Found) -> list[str]:
    return [
        f"{row['plays_per_s']:,}",
        f"{row['cpu_s_per_million']:.1f}",
        f"{row['rss_max_mb']:,}",
        f"{row['changelog_bytes_per_play']:.0f}",
    ]


def _hour_23(section: str, figures: Found) -> list[str]:
    cells = [[what, *_row_cells(row)] for what, row in figures["rows"].items()]
    return [
        "## The last hour of a day",
        "",
        f"{figures['plays']:,} plays over 23 hours, then a quarter as many in the 24th, counted by a restarted worker.",
        "",
        *_table(("", "plays/s", "CPU s per million", "peak MB", "changelog bytes a play"), cells),
    ]


def _freshness(section: str, figures: Found) -> list[str]:
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
        "## Freshness",
        "",
        f"{figures['rate']:,} plays/s for {figures['seconds']} s; sender, reader, broker and worker share the cores;",
        f"the worker takes {figures['cpu_cores']} of them. Milliseconds:",
        "",
        *_table(("", "p50", "p99", "max"), rows),
    ]


def _memory(section: str, figures: Found) -> list[str]:
    cells = [
        [f"{int(mark):,}", f"{row['rss_mb']:,}", f"{row['after_s']}"]
        for mark, row in figures["marks"].items()
    ]
    return [
        "## Memory",
        "",
        f"All plays remembered. Peak {figures['rss_max_mb']:,} MB; allowed are 700 MB and 20 MB per million remembered",
        f"plays, here {figures['allowed_mb']:,} MB. The ledger was compared with the truth, the charts were not.",
        "",
        *_table(("plays", "resident MB", "after s"), cells),
    ]


def _profile(section: str, figures: Found) -> list[str]:
    tables = (
        ("us_per_play_by_thread", "by thread"),
        ("us_per_play_below_function", "in and below our functions"),
        ("us_per_play_in_function", "in the function itself"),
    )
    lines = [
        "## Profile",
        "",
        f"Sampled from outside (py-spy, {figures['samples']:,} samples) while {figures['plays']:,} plays were counted;",
        "microseconds of a thread's time per play. Threads that wait are left out; one that waits for the GIL is not.",
    ]
    for key, title in tables:
        cells = [[f"`{name}`", f"{us:.3f}"] for name, us in figures[key].items()]
        lines += ["", *_table((title, "µs per play"), cells)]
    return lines


def _raw(section: str, figures: Any) -> list[str]:
    """What another part's bench said, as it said it."""
    text = orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode()
    return [
        f"## {section.capitalize()}",
        "",
        f"`python -m bench.{section}` says:",
        "",
        "```json",
        text,
        "```",
    ]


def _form(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    titles = list(titles)
    return [
        "| " + " | ".join(titles) + " |",
        "|" + "---|" * len(titles),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
