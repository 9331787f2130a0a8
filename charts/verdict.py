"""Verdicts: what becomes of a record, judged by the partition's stream time and the day's rules.

    malformed   not of the wire's shape
    early       starts more than five minutes ahead of the stream time
    late        comes more than the lateness after the end of its hour
    short       less than thirty seconds were played
    forwarded   its track lives in another partition: sent there
    duplicate   its identity (track, play id, hour) was counted before
    counted     none of these
    tick        no play at all: a time signal

The first that holds, in this order. Everything follows from the log and the rules, never from a clock,
so a replay says the same.
"""

import hashlib
from bisect import bisect_right
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from charts.play import Heard
from charts.window import HOUR_MS, MINUTE_MS, SECOND_MS


class Verdict(IntEnum):
    """The order is the ledger's, and is stored: append only."""

    counted = 0
    duplicate = 1
    short = 2
    late = 3
    early = 4
    malformed = 5
    forwarded = 6
    tick = 7
    #: Reserved for caps per listener.
    capped = 8


Threshold: TypeAlias = int | npt.NDArray[np.int64]

#: A verdict still open after shape and time: home partition and duplicates decide.
LANDS = -1


@dataclass(frozen=True, slots=True)
class Rules:
    """The thresholds of one UTC day of `played_at`."""

    partitions: int = 8
    lateness_ms: int = 2 * HOUR_MS
    early_ms: int = 5 * MINUTE_MS
    shortest_ms: int = 30 * SECOND_MS

    @property
    def version(self) -> str:
        """A short name of exactly these rules, carried by every chart judged by them."""
        text = orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()[:12]

    def encode(self) -> bytes:
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def decode(cls, value: bytes) -> "Rules":
        fields: dict[str, Any] = orjson.loads(value)
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Which rules hold on which day: each set of rules holds from its first day on."""

    days: tuple[int, ...]
    rules: tuple[Rules, ...]

    @classmethod
    def of(cls, by_day: dict[int, Rules]) -> "Rulebook":
        days = tuple(sorted(by_day))
        return cls(days, tuple(by_day[day] for day in days))

    def on(self, day: int) -> Rules:
        """The rules of one day; a day before the first rules has the first."""
        return self.rules[max(bisect_right(self.days, day) - 1, 0)]

    def lookup(self, days: npt.NDArray[np.int64], field: str) -> npt.NDArray[np.int64]:
        """One threshold, for each of many days."""
        values = np.array([getattr(rules, field) for rules in self.rules], np.int64)
        return values[self._place(days)]

    def _place(self, days: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.maximum(np.searchsorted(np.array(self.days), days, side="right") - 1, 0)


def judge(plays: Heard, stream_time: npt.NDArray[np.int64], book: Rulebook) -> npt.NDArray[np.int8]:
    """The verdict of each play by its shape and time, `LANDS` where those leave it open.

    `stream_time` holds, for each record, the partition's stream time with that record included.
    """
    day = plays.hour // 24
    if len(book.days) == 1:
        rules = book.rules[0]
        early, late, short = rules.early_ms, rules.lateness_ms, rules.shortest_ms
        return _judge(plays, stream_time, early, late, short)
    return _judge(
        plays,
        stream_time,
        book.lookup(day, "early_ms"),
        book.lookup(day, "lateness_ms"),
        book.lookup(day, "shortest_ms"),
    )


def _judge(
    plays: Heard,
    stream_time: npt.NDArray[np.int64],
    early: Threshold,
    late: Threshold,
    short: Threshold,
) -> npt.NDArray[np.int8]:
    verdicts = np.full(len(plays), LANDS, np.int8)
    verdicts[plays.ms_played < short] = Verdict.short
    verdicts[(plays.hour + 1) * HOUR_MS + late < stream_time] = Verdict.late
    verdicts[plays.played_at > stream_time + early] = Verdict.early
    verdicts[~plays.good] = Verdict.malformed
    return verdicts
