"""The bench: `make bench-quick` prints the ratios, `make bench` measures all and writes docs/benchmarks.md.

    race       16 min  the field on the same plays; 13 on Apache Kafka
    scaling     4 min  over workers, tracks, partitions and flush intervals
    hour-23     7 min  the last hour of a day, beside the bare loop
    freshness   1 min  plays at a rate, readers beside them
    recovery    2 min  starts with a million tallies, from RocksDB and from the changelog
    memory      4 min  after 5, 10 and 20 million plays, with their ids remembered and without
    profile     1 min  where the microseconds go
    lake        1 min  raw files into an object store
    http        3 min  reads, ingestion, live clients
    history     4 min  snapshots, past charts, import, search

In all some 55 minutes on two cores, 13 of them the race on Apache Kafka, which needs Java and Maven Central;
all else is on the embedded broker. The report has each as soon as it is measured, and says how long it took.
`python -m bench freshness profile` measures these alone and puts them into the last report.
`--apache` and `--kafka` measure on another broker; http and history keep to servers of their own.
"""

import argparse
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from bench import freshness, lake, last_hour, memory, parts, profile, race, recovery, report, scaling
from bench.brokers import APACHE, EMBEDDED, Brokers, given
from bench.contenders.told import now
from bench.machine import described
from bench.table import as_text
from charts.errors import ChartsError

OUT = Path(__file__).parent / "out"
ON_A_BROKER = ("race", "scaling", "hour-23", "freshness", "recovery", "memory", "profile", "lake")
SECTIONS = (*ON_A_BROKER, *parts.SECTIONS)


def measured(
    section: str, brokers: Brokers, options: argparse.Namespace, folder: Path, say: Callable[[str], None]
) -> Any:
    """One section of the report."""
    if section == "race":
        held = race.hold(_sizes(options), brokers, folder, say)
        return {"rows": held.rows(), "absent": held.absent()}
    if section in parts.SECTIONS:
        return parts.measure(section, say)
    measure: dict[str, Callable[[], Any]] = {
        "scaling": lambda: scaling.measure(options.plays or 2_000_000, brokers, folder, say),
        "hour-23": lambda: last_hour.measure(options.plays or 4_000_000, brokers, folder, say),
        "freshness": lambda: freshness.measure(20_000, 30, brokers, folder, say),
        "recovery": lambda: recovery.measure(options.plays or 1_900_000, brokers, folder, say),
        "memory": lambda: memory.measure(options.plays or 20_000_000, brokers, folder, say),
        "profile": lambda: profile.measure(options.plays or 4_000_000, brokers, folder, say),
        "lake": lambda: lake.measure(max(options.plays or 2_000_000, 1_000_000), brokers, folder, say),
    }
    return measure[section]()


def _sizes(options: argparse.Namespace) -> race.Sizes:
    sizes = race.QUICK if options.quick else race.FULL
    if options.rounds:
        sizes = replace(sizes, rounds={size: min(options.rounds, n) for size, n in sizes.rounds.items()})
    if options.plays:
        share = {"small": 20, "tenth": 10, "medium": 1, "large": 1}
        fewer = {size: min(plays, options.plays // share[size]) for size, plays in sizes.plays.items()}
        sizes = replace(sizes, plays={**fewer, "large": options.plays})
    return sizes


def planned(options: argparse.Namespace) -> list[tuple[str, Brokers]]:
    """What is measured, and on which broker."""
    other = APACHE if options.apache else given(options.kafka) if options.kafka else None
    if options.quick:
        return [("race", other or EMBEDDED)]
    if options.sections:
        return [(name, other if other and name in ON_A_BROKER else EMBEDDED) for name in options.sections]
    if other:
        return [(name, other) for name in ON_A_BROKER]
    return [("race", EMBEDDED), ("race", APACHE), *((name, EMBEDDED) for name in SECTIONS[1:])]


def kept(latest: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The last report; a whole measurement keeps none of it, nor what too little is known of."""
    if not latest.exists() or not (options.sections or options.apache or options.kafka):
        return {}
    found = orjson.loads(latest.read_bytes())
    return {name: entry for name, entry in found.items() if entry.get("layout") == report.LAYOUT}


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="section", help="what to measure; without one, all")
    parser.add_argument(
        "--quick", action="store_true", help="the race on small data sets, one run each; no report"
    )
    parser.add_argument("--rounds", type=int, help="runs of each contender after the warm-up, at most")
    parser.add_argument("--plays", type=int, help="plays of the large data set; others have no more")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--apache", action="store_true", help="on Apache Kafka, started here: Java 17, Maven")
    where.add_argument("--kafka", metavar="URL", help="on a broker that runs; our topics are deleted again")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    return options


def main() -> None:
    options = parsed()
    began = now()

    def say(line: str) -> None:
        sys.stderr.write(f"{now() - began:6.1f} s  {line}\n")
        sys.stderr.flush()

    OUT.mkdir(exist_ok=True)
    latest = OUT / "latest.json"
    found = kept(latest, options)
    failed = False
    for section, brokers in planned(options):
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            machine, started = described(), now()
            try:
                answer = measured(section, brokers, options, Path(name), say)
            except Exception as error:  # noqa: BLE001 - one section that fails does not cost the others
                if not isinstance(error, ChartsError):
                    traceback.print_exc()
                answer = {"not measured": str(error) or repr(error)}
                say(f"{section} on {brokers.title}: not measured: {error!r}")
                # A machine without Java is no fault of the bench, unless it was asked for that.
                failed |= options.apache or brokers is not APACHE
        if section == "race":
            sys.stdout.write(as_text(answer))
        if not options.quick:
            found[report.place(section, brokers)] = {
                "machine": machine,
                "command": f"python -m bench {' '.join(sys.argv[1:])}".strip(),
                "layout": report.LAYOUT,
                "broker": brokers.title,
                "whole": not (options.plays or options.rounds),
                "took_s": round(now() - started),
                "figures": answer,
            }
            latest.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
            report.write(found)
    say("done")
    sys.exit(failed)


if __name__ == "__main__":
    main()
