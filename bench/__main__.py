"""The bench: `make bench-quick` prints the ratios, `make bench` measures all and writes docs/benchmarks.md.

    race       the field on the same plays                    memory     after 10 and 20 million plays
    scaling    workers, tracks, partitions, flush interval    freshness  plays at a rate, readers beside them
    hour-23    the last hour of a day                         profile    where the microseconds go
    http, lake, history                                       the benches of those parts, as they are

`python -m bench freshness profile` measures these alone and puts them into the last report.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from bench import freshness, parts, profile, race, report, scaling
from bench.contenders.told import now
from bench.machine import described
from bench.table import as_text

OUT = Path(__file__).parent / "out"
SECTIONS = ("race", "scaling", "hour-23", "freshness", "memory", "profile", "http", "lake", "history")


def measured(section: str, options: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> Any:
    """One section of the report."""
    if section == "race":
        sizes = race.QUICK if options.quick else race.FULL
        if options.rounds:
            sizes = replace(sizes, rounds={size: min(options.rounds, n) for size, n in sizes.rounds.items()})
        if options.plays:
            most = {"small": options.plays // 20, "medium": options.plays, "large": options.plays}
            fewer = {size: min(plays, most[size]) for size, plays in sizes.plays.items()}
            sizes = replace(sizes, plays={**fewer, "large": options.plays})
        held = race.hold(sizes, folder, say)
        return {"rows": held.rows(), "absent": held.absent()}
    if section in parts.COMMANDS:
        return parts.measure(section, say)
    measure: dict[str, Callable[[], Any]] = {
        "scaling": lambda: scaling.measure(options.plays or 2_000_000, folder, say),
        "hour-23": lambda: scaling.hour_23(options.plays or 4_000_000, folder, say),
        "freshness": lambda: freshness.measure(20_000, 30, folder, say),
        "memory": lambda: scaling.memory(options.plays or 20_000_000, folder, say),
        "profile": lambda: profile.measure(options.plays or 4_000_000, folder, say),
    }
    return measure[section]()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="section", help="what to measure; without one, all")
    parser.add_argument(
        "--quick", action="store_true", help="the race on small data sets, one run each; no report"
    )
    parser.add_argument("--rounds", type=int, help="runs of each contender after the warm-up, at most")
    parser.add_argument("--plays", type=int, help="plays of the large data set; others have no more")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    began = now()

    def say(line: str) -> None:
        sys.stderr.write(f"{now() - began:6.1f} s  {line}\n")
        sys.stderr.flush()

    OUT.mkdir(exist_ok=True)
    latest = OUT / "latest.json"
    found = orjson.loads(latest.read_bytes()) if latest.exists() else {}
    sections = ["race"] if options.quick else options.sections or list(SECTIONS)
    for section in sections:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            machine = described()
            answer = measured(section, options, Path(name), say)
        if section == "race":
            sys.stdout.write(as_text(answer))
        if not options.quick:
            command = f"python -m bench {' '.join(sys.argv[1:])}".strip()
            found[section] = {"machine": machine, "command": command, "figures": answer}
            latest.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
            report.write(found)
    say("done")


if __name__ == "__main__":
    main()
