"""The truth: what a perfect chart system must answer, one record after another, as plainly as it can be said.

Written from the contract, not from the code that counts: no column is shared with charts/.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Final

import orjson

from charts.window import DAY_MS, HOUR_MS, rfc3339
from simulator.slice import Slice

#: One letter per verdict, for the file.
LETTERS: Final = {
    "counted": "c",
    "duplicate": "d",
    "short": "s",
    "late": "l",
    "early": "e",
    "malformed": "m",
    "tick": "t",
}
GLOBAL = "global"
_TEXTS = {"play_id": 64, "user_id": 128, "track_id": 128}


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds of the verdicts, in milliseconds."""

    lateness_ms: int
    early_ms: int
    shortest_ms: int


class Truth:
    """Takes records in the order of each partition's log."""

    def __init__(self, limits: Limits, partitions: int) -> None:
        self._limits = limits
        self._stream_time = [0] * partitions
        #: Hour → the identities that counted in it, while it is not closed everywhere.
        self._counted: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
        #: Per partition, the verdict of every record, as a letter.
        self.verdicts: list[list[str]] = [[] for _ in range(partitions)]
        #: Per region and hour, how often each track counts.
        self.hours: defaultdict[tuple[str, int], Counter[str]] = defaultdict(Counter)

    def take(self, records: Slice) -> None:
        """Some records as they were sent."""
        rows = zip(records.partitions.tolist(), records.clock.tolist(), records.values, strict=True)
        for partition, timestamp, value in rows:
            self.record(partition, timestamp, value)
        self._forget()

    def record(self, partition: int, timestamp: int, value: bytes | None) -> str:
        """One record; its verdict."""
        self._stream_time[partition] = now = max(self._stream_time[partition], timestamp)
        if value is None:
            verdict = "tick"
        else:
            play = _read(value)
            verdict = "malformed" if play is None else self._judge(play, now)
        self.verdicts[partition].append(LETTERS[verdict])
        return verdict

    def _judge(self, play: dict[str, Any], now: int) -> str:
        hour = play["played_at"] // HOUR_MS * HOUR_MS
        if play["played_at"] > now + self._limits.early_ms:
            return "early"
        if now > hour + HOUR_MS + self._limits.lateness_ms:
            return "late"
        if play["ms_played"] < self._limits.shortest_ms:
            return "short"
        identity = (play["track_id"], play["play_id"])
        if identity in self._counted[hour]:
            return "duplicate"
        self._counted[hour].add(identity)
        self.hours[play["region"], hour][play["track_id"]] += 1
        return "counted"

    def _forget(self) -> None:
        """Plays of an hour that every partition has closed are late: none is a repeat any more."""
        closed = min(self._stream_time) - self._limits.lateness_ms - HOUR_MS
        for hour in [hour for hour in self._counted if hour < closed]:
            del self._counted[hour]

    @property
    def ledger(self) -> Counter[str]:
        """How many records got which verdict."""
        letters: Counter[str] = Counter()
        for verdicts in self.verdicts:
            letters.update(verdicts)
        return Counter({verdict: letters[letter] for verdict, letter in LETTERS.items() if letters[letter]})

    def charts(self) -> dict[tuple[str, str, int], Counter[str]]:
        """The plays of each track per region (or `global`), window kind and start."""
        charts: defaultdict[tuple[str, str, int], Counter[str]] = defaultdict(Counter)
        for (region, hour), tracks in self.hours.items():
            for place in (region, GLOBAL):
                charts[place, "hour", hour].update(tracks)
                charts[place, "day", hour - hour % DAY_MS].update(tracks)
        return dict(charts)

    def write(self, path: Path, first_offsets: Iterable[int | None]) -> None:
        """The truth as JSON: ledger, verdicts by offset, and counts by region, window and track."""
        charts: dict[str, Any] = {}
        for (region, kind, start), tracks in sorted(self.charts().items()):
            place = charts.setdefault(region, {"hour": {}, "day": {}})
            place[kind][rfc3339(start)] = {"plays": tracks.total(), "tracks": dict(sorted(tracks.items()))}
        log = [
            {"partition": partition, "first_offset": first, "verdicts": "".join(verdicts)}
            for partition, (first, verdicts) in enumerate(zip(first_offsets, self.verdicts, strict=True))
        ]
        truth = {"ledger": self.ledger, "letters": LETTERS, "log": log, "charts": charts}
        path.write_bytes(orjson.dumps(truth, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _read(value: bytes) -> dict[str, Any] | None:
    """The play, if it is one."""
    try:
        play = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(play, dict):
        return None
    for name, length in _TEXTS.items():
        text = play.get(name)
        if not isinstance(text, str) or not 1 <= len(text) <= length:
            return None
    region = play.get("region")
    if not isinstance(region, str) or len(region) != 2 or not set(region) <= set(ascii_uppercase):
        return None
    for name in ("played_at", "ms_played"):
        if type(play.get(name)) is not int or play[name] < 0:
            return None
    return play
