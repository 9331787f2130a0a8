"""What a contender is told, and how it tells what it did. Imports nothing that only one of them has.

The answer is a line per cell (`region hour track plays`) and, written last, `result.json` with the moments
the first record was at hand and the last one was counted, on the clock all processes share.
"""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

URL = os.environ.get("BENCH_KAFKA", "")
#: `tansu`, or `kafka` where nothing must be repaired.
BROKER = os.environ.get("BENCH_BROKER", "tansu")
#: The group, and what the names of its topics hold.
NAME = os.environ.get("BENCH_NAME", "bench")
TOPIC = os.environ.get("BENCH_TOPIC", "")
PLAYS = int(os.environ.get("BENCH_PLAYS", "0"))
PARTITIONS = int(os.environ.get("BENCH_PARTITIONS", "4"))
FOLDER = Path(os.environ.get("BENCH_FOLDER", "."))
HOUR_MS = 3_600_000


def now() -> float:
    """Seconds on the machine's clock that no one sets."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def tell(first: float, last: float, cells: Iterable[tuple[str, int, str, int]] | None) -> None:
    """Write the answer; a contender that counts nothing has no cells."""
    if cells is not None:
        with (FOLDER / "counts.tsv").open("w") as file:
            file.writelines(f"{region}\t{hour}\t{track}\t{plays}\n" for region, hour, track, plays in cells)
    draft = FOLDER / "result.draft"
    draft.write_text(json.dumps({"first": first, "last": last}))
    draft.rename(FOLDER / "result.json")
