"""Taste: which track a listener plays, in a region, at a time.

Popularity is Zipf's. On top of it every region has an order of its own, every listener some favourites,
and now and then a song breaks out, everywhere or in one region, and fades within hours.
"""

from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

from charts.window import DAY_MS, HOUR_MS
from simulator.slice import Ints
from simulator.world import World

Floats = npt.NDArray[np.float64]

_BREAKOUTS_PER_DAY = 12
_FAVOURITES = 24
#: A breakout is over when this many of its half-lives have passed.
_HALF_LIVES = 8
EVERYWHERE = -1


@dataclass(frozen=True, slots=True)
class Breakout:
    """A song that everybody plays for some hours."""

    track: int
    region: int
    start: int
    #: Its share of plays at the peak.
    peak: float
    rise_ms: int
    half_life_ms: int

    def share(self, time_ms: int) -> float:
        """Its share of plays now: up in a line, down by halves."""
        age = time_ms - self.start
        if age < 0 or age > self.rise_ms + _HALF_LIVES * self.half_life_ms:
            return 0.0
        if age < self.rise_ms:
            return self.peak * age / self.rise_ms
        return float(self.peak * 0.5 ** ((age - self.rise_ms) / self.half_life_ms))


class Taste:
    """What a world likes."""

    def __init__(self, world: World) -> None:
        rng = np.random.default_rng([world.seed, 2])
        self._world = world
        weights = np.arange(1, world.tracks + 1, dtype=np.float64) ** -world.zipf
        self._chance = np.cumsum(weights) / weights.sum()
        #: Which track holds which rank, so that a track's number tells nothing.
        self._ranked: Ints = rng.permutation(world.tracks)
        # A region's own order: rank → factor · rank + shift, another permutation where they share no divisor.
        self._factor = np.array([_coprime(int(n), world.tracks) for n in _large(rng, world)], np.int64)
        self._shift: Ints = rng.integers(0, world.tracks, len(world.regions))
        self._breakouts: dict[int, list[Breakout]] = {}

    def tracks(self, rng: np.random.Generator, time_ms: int, region: Ints, listener: Ints) -> Ints:
        """The number of the track each listener plays."""
        count = len(region)
        draw, mood = rng.random(count), rng.random(count)
        favourite = (_FAVOURITES * rng.random(count) ** 2).astype(np.uint64)
        own = _mix(listener.astype(np.uint64) * np.uint64(_FAVOURITES) + favourite)
        habitual = mood < self._world.habit
        draw[habitual] = own[habitual] / 2.0**64
        rank = np.minimum(np.searchsorted(self._chance, draw), self._world.tracks - 1)
        # A favourite stays one: whether it is a local song must not change from play to play.
        local = np.where(habitual, (own & np.uint64(0xFF)) / 256.0, rng.random(count)) < self._world.taste
        local_rank = (rank * self._factor[region] + self._shift[region]) % self._world.tracks
        tracks: Ints = self._ranked[np.where(local, local_rank, rank)]
        self._break_out(tracks, rng.random(count), time_ms, region)
        return tracks

    def _break_out(self, tracks: Ints, chance: Floats, time_ms: int, region: Ints) -> None:
        below = 0.0
        for breakout in self.breakouts(time_ms):
            above = below + breakout.share(time_ms)
            swept = (chance >= below) & (chance < above)
            if breakout.region != EVERYWHERE:
                swept &= region == breakout.region
            tracks[swept] = breakout.track
            below = above

    def breakouts(self, time_ms: int) -> list[Breakout]:
        """Those that may be running now: today's and yesterday's."""
        day = time_ms // DAY_MS
        return [breakout for each in (day - 1, day) for breakout in self._of_day(each)]

    def _of_day(self, day: int) -> list[Breakout]:
        if day not in self._breakouts:
            rng = np.random.default_rng([self._world.seed, 3, max(0, day)])
            regions = len(self._world.regions)
            self._breakouts[day] = [
                Breakout(
                    track=int(rng.integers(self._world.tracks)),
                    region=int(rng.integers(regions)) if rng.random() < 0.6 else EVERYWHERE,
                    start=day * DAY_MS + int(rng.integers(DAY_MS)),
                    peak=float(rng.uniform(0.005, 0.04)),
                    rise_ms=int(rng.integers(HOUR_MS // 4, 2 * HOUR_MS)),
                    half_life_ms=int(rng.integers(HOUR_MS // 2, 2 * HOUR_MS)),
                )
                for _ in range(_BREAKOUTS_PER_DAY)
            ]
        return self._breakouts[day]


def _large(rng: np.random.Generator, world: World) -> Ints:
    return rng.integers(world.tracks // 2, max(2, world.tracks), len(world.regions))


def _coprime(number: int, tracks: int) -> int:
    while gcd(number, tracks) != 1:
        number += 1
    return number


def _mix(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    words = (words + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
