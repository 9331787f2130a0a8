"""Meters: what Prometheus reads of the count. docs/metrics.md lists all; a test holds the list.

What belongs to a partition is read from the partitions owned at the moment, so it is gone when they are.
"""

import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from charts.verdict import Verdict

if TYPE_CHECKING:
    from tables.boards import Boards
    from tables.memory import Memory
    from tables.partition import Partition
    from tables.tally import Tally

METERS = CollectorRegistry()


def _version() -> str:
    """Ours; a checkout that was not installed has none."""
    try:
        return version("livecharts")
    except PackageNotFoundError:
        return "source"


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
FLUSH_SECONDS = Histogram(
    "livecharts_flush_seconds",
    "One partition's flush, from the first value to the head.",
    buckets=_SECONDS,
    registry=METERS,
)
FLUSHED_RECORDS = Counter(
    "livecharts_flushed_records", "Records of plays whose counts were made durable.", registry=METERS
)
FLUSHED_VALUES = Counter(
    "livecharts_flushed_values", "Values written to the changelog and to RocksDB.", registry=METERS
)
CHANGELOG_BYTES = Counter(
    "livecharts_changelog_bytes", "Bytes sent to the changelog, compressed.", registry=METERS
)
PUBLISH_SECONDS = Histogram(
    "livecharts_publish_seconds",
    "From the newest counted record's timestamp to its published boards (CHARTS_CLOCK=wall).",
    buckets=(*_SECONDS, 60, 300),
    registry=METERS,
)
PLAY_AGE_SECONDS = Histogram(
    "livecharts_play_age_seconds",
    "From the start of a flush's plays, on average, to their published boards (CHARTS_CLOCK=wall).",
    buckets=(1, 5, 15, 30, 60, 120, 300, 600, 1800, 7200),
    registry=METERS,
)
RECOVERY_SECONDS = Histogram(
    "livecharts_recovery_seconds",
    "From an assignment to the first run taken in: changelog read, partitions loaded.",
    buckets=(0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300),
    registry=METERS,
)
BUILD = Gauge(
    "livecharts_build_info", "What runs here; always 1.", ["version", "python", "faust"], registry=METERS
)
BUILD.labels(_version(), platform.python_version(), version("faust-streaming")).set(1)
RECOVERED_RECORDS = Counter(
    "livecharts_recovered_records", "Records read back from the changelog.", registry=METERS
)


LEADING = Gauge(
    "livecharts_leading", "1 on the worker that writes the history and looks at quality.", registry=METERS
)
QUALITY_FAULTS = Gauge(
    "livecharts_quality_faults",
    "Faults that the last look of the quality monitor found; on the leader alone.",
    ["check"],
    registry=METERS,
)
QUALITY_LOOKED = Gauge(
    "livecharts_quality_looked_timestamp_seconds", "When it looked.", ["check"], registry=METERS
)


class CountCollector(Collector):
    """The count's state at the moment somebody looks."""

    def __init__(self, tally: "Tally", boards: "Boards", memory: "Memory | None") -> None:
        self._tally = tally
        self._boards = boards
        self._memory = memory

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        parts = list(self._tally.owned.values())
        yield _verdicts(parts)
        heads = self._boards.heads
        for name, text, value in (
            ("lag_records", "Records in the log that are not counted yet.", lambda p: heads[p.number].lag),
            (
                "freshness_seconds",
                "Age of its head: how old the counts are that people see.",
                lambda p: max(0.0, time.time() - heads[p.number].at / 1000),
            ),
            ("stream_time_seconds", "Stream time.", lambda p: p.marker.stream_time / 1000),
            ("clock_seconds", "Event time as the head tells it.", lambda p: p.clock / 1000),
            ("remembered_plays", "Play ids kept for the duplicates check.", lambda p: len(p.remembered)),
            ("boards", "Boards kept up to date.", lambda p: len(p.lists.lists)),
            ("pending_records", "Records taken in and not flushed yet.", lambda p: p.pending_rows),
            ("rocksdb_bytes", "Size of the partition's store.", _property("rocksdb.estimate-live-data-size")),
            (
                "rocksdb_memory_bytes",
                "Written, not in a file yet.",
                _property("rocksdb.cur-size-all-mem-tables"),
            ),
        ):
            family = GaugeMetricFamily(f"livecharts_partition_{name}", text, labels=["partition"])
            for part in parts:
                if part.number in heads:
                    family.add_metric([str(part.number)], value(part))
            yield family
        yield from self._of_all()

    def _of_all(self) -> Iterator[GaugeMetricFamily]:
        boards = self._boards
        age = boards.freshness_ms
        yield GaugeMetricFamily("livecharts_boards_ready", "Whether the boards are read.", int(boards.ready))
        text, cached = "Blocks of all stores kept in memory.", self._tally.data.rocksdb_options.cached_bytes
        yield GaugeMetricFamily("livecharts_rocksdb_cache_bytes", text, cached)
        if self._memory is not None:
            text, waiting = "Final charts that are not in the history yet.", len(self._memory.unwritten())
            yield GaugeMetricFamily("livecharts_snapshots_waiting", text, waiting)
        if age is not None:
            yield GaugeMetricFamily("livecharts_boards_age_seconds", "Age of the oldest head.", age / 1000)
        if boards.clock:
            text = "Event time every partition has passed: what ended before, less the lateness, is final."
            yield GaugeMetricFamily("livecharts_final_clock_seconds", text, boards.clock / 1000)


def _verdicts(parts: list["Partition"]) -> CounterMetricFamily:
    """The ledgers of the owned partitions: as exact as the counts, for they are in the same marker."""
    text = "Records by verdict; they add up to the records consumed."
    family = CounterMetricFamily("livecharts_records", text, labels=["partition", "verdict"])
    for part in parts:
        for verdict, count in zip(Verdict.__members__, part.marker.ledger, strict=True):
            family.add_metric([str(part.number), verdict], count)
    return family


def _property(name: str) -> Callable[["Partition"], int]:
    """One of RocksDB's own figures."""
    return lambda part: int(part.db.property_int_value(name) or 0)
