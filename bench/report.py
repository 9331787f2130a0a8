"""The report: docs/benchmarks.md and its plots, made from what was measured last; nothing in it by hand."""

from bench.brokers import EMBEDDED, Brokers
from bench.chapters import CHAPTERS, Found, parts, unmeasured
from bench.field import OURS, ROOT
from bench.markdown import table
from bench.targets import targets

PAGE = ROOT / "docs/benchmarks.md"
PLOTS = ROOT / "docs/benchmarks"
#: What the chapters expect of a section's figures: those of another layout are measured again, not shown.
LAYOUT = 3
#: The world's on-demand audio streams: some five trillion a year.
_WORLD = 160_000
#: More than this, busy with something else, and a machine is not quiet.
_QUIET_CORES = 0.25


def place(section: str, brokers: Brokers) -> str:
    """Under which name a section's figures are kept."""
    return section if brokers is EMBEDDED else f"{section} on {brokers.kind}"


def write(found: Found) -> None:
    """The page, with the sections there are, in the order they have in the bench."""
    PLOTS.mkdir(exist_ok=True)
    names = sorted(found, key=_order)
    lines = _head(found)
    for name in names:
        entry = found[name]
        figures = entry["figures"]
        make = unmeasured if "not measured" in figures else CHAPTERS.get(_section(name), parts)
        lines += ["", *make(name, entry["broker"], figures, PLOTS), "", _origin(entry)]
    PAGE.write_text("\n".join(lines) + "\n")


def _order(name: str) -> tuple[int, str]:
    """As in the bench; the embedded broker first."""
    sections = list(CHAPTERS)
    return sections.index(_section(name)) if _section(name) in CHAPTERS else len(sections), name


def _section(name: str) -> str:
    return name.partition(" on ")[0]


def _head(found: Found) -> list[str]:
    machine = next(iter(found.values()))["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return [
        "# Benchmarks",
        "",
        "Made by `make bench`; `make bench-quick` prints the ratios in under three minutes.",
        "`.venv/bin/python -m bench freshness profile` measures single sections again and keeps the others;",
        "`--apache` and `--kafka URL` measure on another broker than the embedded one.",
        "",
        f"Machine: {machine['cores']} cores ({machine['cpu']}), {machine['memory_gb']} GB, shared by what is measured, the broker",
        "and whoever sends or reads: the same run varies by a sixth, so read the ratios. Below each section stands",
        "how many cores were busy with something else when it began.",
        f"Python {machine['python']}, {versions}.",
        *_doubts(found),
        *_short(found),
    ]


def _doubts(found: Found) -> list[str]:
    """What a reader must know before believing a figure."""
    noisy = [name for name, entry in found.items() if entry["machine"]["busy_cores"] > _QUIET_CORES]
    short = [name for name, entry in found.items() if not entry["whole"]]
    lines = []
    if noisy:
        lines += [
            "",
            f"**The machine was not quiet** when these began: {', '.join(noisy)}. Their answers are right; how fast",
            "they came, and whether a target is met, `make bench` on a quiet machine tells.",
        ]
    if short:
        lines += [
            "",
            f"**Fewer plays or runs** than `make bench` takes: {', '.join(short)}. On small data sets start-up and the wait",
            "for the last flush weigh.",
        ]
    return lines


def _short(found: Found) -> list[str]:
    """Targets, and one figure to remember."""
    rows = [list(target) for target in targets(found)]
    lines = ["", "## Targets", "", *table(("target", "wanted", "measured", ""), rows)]
    if any(row[-1] == "missed" for row in rows):
        lines += [
            "",
            "What stands in the way of a target that is missed, and what was tried: [speed.md](speed.md).",
        ]
    race = found["race"]["figures"].get("rows", []) if "race" in found else []
    ours = next((row for row in race if row["name"] == OURS), None)
    if ours:
        cores = ours["cpu_s_per_million"] * _WORLD / 1e6
        lines += [
            "",
            f"The world's on-demand audio streams, some five trillion a year, average {_WORLD:,} plays/s: that takes",
            f"**{cores:.2f} cores** of ours, measured ({ours['cpu_s_per_million']:.1f} CPU seconds per million plays, duplicates checked), the",
            "broker apart.",
        ]
    return lines


def _origin(entry: Found) -> str:
    machine = entry["machine"]
    busy = f"{machine['busy_cores']:.1f} cores busy before it began (load {machine['load_1_5_15'][0]})"
    took = f"{entry['took_s'] / 60:.0f} min" if entry["took_s"] >= 60 else f"{entry['took_s']} s"
    return f"<sub>{machine['date']}, {took}, {busy}: `{entry['command']}`</sub>"
