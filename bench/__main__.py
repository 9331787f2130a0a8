"""The bench: `make bench-quick` prints the ratios, `make bench` writes the report."""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import orjson

from bench.contenders.told import now
from bench.machine import described
from bench.race import FULL, QUICK, hold
from bench.table import as_text

OUT = Path(__file__).parent / "out"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small data sets, one run each; prints the ratios"
    )
    parser.add_argument("--rounds", type=int, help="runs of each contender after the warm-up")
    options = parser.parse_args()
    began = now()

    def say(line: str) -> None:
        sys.stderr.write(f"{now() - began:6.1f} s  {line}\n")

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        sizes = QUICK if options.quick else FULL
        if options.rounds:
            sizes = replace(sizes, rounds=dict.fromkeys(sizes.rounds, options.rounds))
        race = hold(sizes, folder, say)
    report = {"machine": described(), "race": race.rows(), "absent": race.absent()}
    OUT.mkdir(exist_ok=True)
    (OUT / ("quick.json" if options.quick else "latest.json")).write_bytes(
        orjson.dumps(report, option=orjson.OPT_INDENT_2)
    )
    sys.stdout.write(as_text(report))
    say("done")


if __name__ == "__main__":
    main()
