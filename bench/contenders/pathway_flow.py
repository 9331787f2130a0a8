"""Pathway: plays grouped and counted by its Rust engine; in memory, every change written to CSV."""

import csv
import os
import threading
import time
from collections import Counter
from typing import Any

import pathway as pw

from bench.contenders.told import FOLDER, HOUR_MS, NAME, PLAYS, TOPIC, URL, now, tell

CHANGES = FOLDER / "changes.csv"
moments: dict[str, float] = {}
done = threading.Event()


class Play(pw.Schema):
    region: str
    track_id: str
    played_at: int


def seen(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
    """The total, each time it grows."""
    moments.setdefault("first", now())
    if is_addition and row["plays"] == PLAYS:
        moments["last"] = now()
        done.set()


def finish() -> None:
    """When all are counted and written, say so and leave: a streaming run never ends by itself."""
    done.wait()
    counts: Counter[tuple[str, int, str]] = Counter()
    while counts.total() != PLAYS:
        time.sleep(0.2)
        counts.clear()
        with CHANGES.open() as file:
            for row in csv.DictReader(file):
                if row["diff"] in ("1", "-1"):
                    cell = row["region"], int(row["hour"]), row["track_id"]
                    counts[cell] += int(row["diff"]) * int(row["plays"])
    tell(start, moments["last"], ((*cell, plays) for cell, plays in counts.items()))
    os._exit(0)


settings = {
    "bootstrap.servers": URL,
    "group.id": NAME,
    "auto.offset.reset": "earliest",
    "session.timeout.ms": "6000",
}
plays = pw.io.kafka.read(settings, TOPIC, format="json", schema=Play, autocommit_duration_ms=1000)
cells = plays.select(region=pw.this.region, hour=pw.this.played_at // HOUR_MS, track_id=pw.this.track_id)
counts = cells.groupby(pw.this.region, pw.this.hour, pw.this.track_id).reduce(
    pw.this.region, pw.this.hour, pw.this.track_id, plays=pw.reducers.count()
)
pw.io.csv.write(counts, str(CHANGES))
pw.io.subscribe(cells.reduce(plays=pw.reducers.count()), on_change=seen)

if __name__ == "__main__":
    start = now()
    threading.Thread(target=finish, daemon=True).start()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
