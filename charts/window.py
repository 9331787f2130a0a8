"""Windows: half-open spans of event time, `[start, end)`, in UTC epoch milliseconds.

Hours and days are also plain integers (hours and days since 1970), which is how the tally stores them;
a `Window` is what people ask for and see. Nothing here reads a clock: the time is handed in.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from charts.errors import BadRequest

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
#: Event time ends in 2109, so that a day fits two bytes and no sum overflows.
TIME_END = 1 << 42
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: 1970-01-01 was a Thursday: the first Monday after it is four days later.
MONDAY_MS = 4 * DAY_MS

Kind = Literal["hour", "day", "week"]
Status = Literal["open", "closing", "final"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: The windows the stream itself counts; weeks are summed in the history.
LIVE_KINDS: tuple[Kind, ...] = ("hour", "day")

_LENGTH_MS: dict[Kind, int] = {"hour": HOUR_MS, "day": DAY_MS, "week": WEEK_MS}
_ORIGIN_MS: dict[Kind, int] = {"hour": 0, "day": 0, "week": MONDAY_MS}


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """One hour, day or week; `start` in epoch milliseconds."""

    kind: Kind
    start: int

    @classmethod
    def at(cls, kind: Kind, time_ms: int) -> "Window":
        """The window of this kind that contains a point in time."""
        origin = _ORIGIN_MS[kind]
        return cls(kind, time_ms - (time_ms - origin) % _LENGTH_MS[kind])

    @property
    def end(self) -> int:
        return self.start + _LENGTH_MS[self.kind]

    @property
    def previous(self) -> "Window":
        return Window(self.kind, self.start - _LENGTH_MS[self.kind])

    @property
    def next(self) -> "Window":
        return Window(self.kind, self.end)

    def __contains__(self, time_ms: int) -> bool:
        return self.start <= time_ms < self.end

    def status(self, time_ms: int, lateness_ms: int) -> Status:
        """Open until it ends, closing while late plays may still come, then final."""
        if time_ms < self.end:
            return "open"
        return "closing" if time_ms <= self.end + lateness_ms else "final"


def kind_of(text: str) -> Kind:
    """The window kind a caller named."""
    for kind in KINDS:
        if text == kind:
            return kind
    raise BadRequest(f"window must be one of {', '.join(KINDS)}, not {text!r}")


def rfc3339(time_ms: int) -> str:
    """A time as people and JSON write it; whole seconds carry no fraction."""
    time = datetime.fromtimestamp(time_ms / 1000, UTC)
    precision = "milliseconds" if time_ms % 1000 else "seconds"
    return time.isoformat(timespec=precision).replace("+00:00", "Z")


def parse_time(text: str) -> int:
    """Epoch milliseconds of an RFC 3339 time (with an offset), or of a bare date (UTC midnight)."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(f"not an RFC 3339 time: {text!r}") from error
    if time.tzinfo is None:
        if len(text) != len("2026-01-31"):
            raise BadRequest(f"a time needs its offset, such as Z: {text!r}")
        time = time.replace(tzinfo=UTC)
    time_ms = (time - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= time_ms < TIME_END:
        raise BadRequest(f"a time between 1970 and 2109, not {text!r}")
    return time_ms
