"""Limits: a token bucket for each caller and kind of call, in this worker's memory.

A bucket holds a few seconds' worth, so that a page that loads may burst. Two workers allow twice as much:
the limits protect a worker, they are no quota.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from aiohttp import web
from aiohttp.web import RequestKey

from charts.settings import Settings
from web.problem import Problem
from web.view import Rate

#: A full bucket lasts this many seconds at the allowed rate, but holds no less than the least burst.
BURST_S = 5.0
BURST_MIN = 10.0
#: Callers remembered at a time, about 200 bytes each; the one not seen longest is forgotten, its bucket full.
CALLERS_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Taken:
    """What a call left in its bucket."""

    allowed: bool
    limit: int
    remaining: int
    #: Seconds until the bucket is full again; until the next call is allowed.
    reset_s: int
    retry_s: int


class Limits:
    """The buckets of one worker."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates: dict[Rate, float] = {
            "read": settings.rate_read,
            "write": settings.rate_write,
            "ingest": settings.rate_ingest,
            "login": settings.rate_login,
            "live": settings.rate_live,
        }
        self._clock = clock
        self._buckets: OrderedDict[tuple[Rate, str], tuple[float, float]] = OrderedDict()

    def take(self, rate: Rate, caller: str) -> Taken | None:
        """One call out of the caller's bucket; None where this kind has no limit."""
        per_second = self._rates.get(rate, 0)
        if not per_second:
            return None
        full = max(per_second * BURST_S, BURST_MIN)
        now = self._clock()
        left, at = self._buckets.pop((rate, caller), (full, now))
        left = min(full, left + (now - at) * per_second)
        allowed = left >= 1
        if allowed:
            left -= 1
        self._buckets[rate, caller] = (left, now)
        if len(self._buckets) > CALLERS_MAX:
            self._buckets.popitem(last=False)
        retry_s = 0 if allowed else ceil((1 - left) / per_second)
        return Taken(allowed, int(full), int(left), ceil((full - left) / per_second), retry_s)


LIMITS = web.AppKey("limits", Limits)
TAKEN = RequestKey("taken", Taken)


def headers_of(taken: Taken) -> dict[str, str]:
    """What a caller is told of its bucket."""
    return {
        "RateLimit-Limit": str(taken.limit),
        "RateLimit-Remaining": str(taken.remaining),
        "RateLimit-Reset": str(taken.reset_s),
    }


def x_headers_of(taken: Taken) -> dict[str, str]:
    """The same by the names ListenBrainz's clients know; they wait until the reset when nothing remains."""
    reset_in = taken.retry_s if taken.remaining == 0 else taken.reset_s
    return {
        "X-RateLimit-Limit": str(taken.limit),
        "X-RateLimit-Remaining": str(taken.remaining),
        "X-RateLimit-Reset-In": str(reset_in),
        "X-RateLimit-Reset": str(int(time.time()) + reset_in),
    }


def too_many(taken: Taken) -> Problem:
    return Problem(429, "too many requests", headers={"Retry-After": str(max(1, taken.retry_s))})
