"""The race: every contender on the same plays, runs interleaved, none believed before it is compared."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.brokers import Brokers
from bench.contest import Result, run
from bench.dataset import DataSet, Spec, fill
from bench.field import CEILING, OURS, Contender, elsewhere, field_on
from charts.errors import ChartsError

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many plays a contender of each size is given, and how often it runs after a warm-up."""

    plays: dict[str, int]
    rounds: dict[str, int]
    warm_up: bool


QUICK = Sizes(
    {"small": 10_000, "tenth": 80_000, "medium": 200_000, "large": 800_000},
    {"small": 1, "tenth": 1, "medium": 1, "large": 1},
    warm_up=False,
)
FULL = Sizes(
    {"small": 30_000, "tenth": 300_000, "medium": 1_500_000, "large": 8_000_000},
    {"small": 5, "tenth": 5, "medium": 5, "large": 5},
    warm_up=True,
)


@dataclass(slots=True)
class Race:
    """What came of it."""

    brokers: Brokers
    results: dict[str, list[Result]] = field(default_factory=lambda: defaultdict(list))
    #: Contenders that gave no true answer, and why.
    out: dict[str, str] = field(default_factory=dict)
    #: Seconds to recover from the changelog alone, tried in the warm-up.
    recovery_s: dict[str, float] = field(default_factory=dict)

    def rate(self, name: str) -> float | None:
        """Plays per second, the median of its runs."""
        runs = self.results.get(name)
        return median(result.rate for result in runs) if runs else None

    def rows(self) -> list[dict[str, Any]]:
        """One row per contender that was measured."""
        ceiling, ours = self.rate(CEILING), self.rate(OURS)
        rows = []
        for contender in field_on(self.brokers):
            runs = self.results.get(contender.name)
            if not runs:
                continue
            rate = self.rate(contender.name) or 0.0
            rows.append(
                {
                    "name": contender.name,
                    "title": contender.title,
                    "lacks": contender.lacks,
                    "plays": runs[0].plays,
                    "runs": len(runs),
                    "plays_per_s": round(rate),
                    "plays_per_s_least": round(min(result.rate for result in runs)),
                    "plays_per_s_most": round(max(result.rate for result in runs)),
                    "to_ceiling": round(rate / ceiling, 4) if ceiling else None,
                    "to_ours": round(rate / ours, 4) if ours else None,
                    "cpu_s_per_million": round(
                        median(result.cpu_s / result.plays * 1e6 for result in runs), 2
                    ),
                    "warm_cpu_s_per_million": _median(r.warm_cpu_s_per_million for r in runs),
                    "rss_max_mb": round(max(result.rss_max for result in runs) / 1e6),
                    "start_s": round(median(result.start_s for result in runs), 1),
                    "changelog_bytes_per_play": _least(
                        r.changelog_bytes and r.changelog_bytes / r.plays for r in runs
                    ),
                    "recovery_s": _least([self.recovery_s.get(contender.name)]),
                    "all_runs": [asdict(result) for result in runs],
                }
            )
        return rows

    def absent(self) -> dict[str, str]:
        """Who is not in the table, and why."""
        return {**self.out, **elsewhere(self.brokers)}


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value]
    return round(median(known), 2) if known else None


def _least(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value]
    return round(min(known), 1) if known else None


def hold(sizes: Sizes, brokers: Brokers, folder: Path, say: Say) -> Race:
    """All contenders, size by size, each size on a broker of its own."""
    race = Race(brokers)
    for size, plays in sizes.plays.items():
        runners = [contender for contender in field_on(brokers) if contender.size == size]
        if not runners:
            continue
        with brokers.one(folder / f"broker-{size}") as broker:
            data = fill(broker, Spec(plays))
            say(f"{plays:,} plays on {brokers.title} after {data.preload_s:.0f} s")
            for number in range(sizes.rounds[size] + sizes.warm_up):
                is_warm_up = sizes.warm_up and number == 0
                for contender in runners:
                    _one(race, contender, data, folder, say, number, is_warm_up)
    return race


def _one(
    race: Race, contender: Contender, data: DataSet, folder: Path, say: Say, number: int, is_warm_up: bool
) -> None:
    if contender.name in race.out:
        return
    recover = contender.name == OURS and is_warm_up
    place = folder / contender.name.replace(" ", "-")
    try:
        result = run(contender, data, place, recover=recover)
    except ChartsError as error:
        race.out[contender.name] = str(error)
        race.results.pop(contender.name, None)
        say(f"{contender.name}: not measured: {error}")
        return
    if result.recovery_s is not None:
        race.recovery_s[contender.name] = result.recovery_s
    what = "warm-up" if is_warm_up else f"{result.cpu_s / result.plays * 1e6:.1f} CPU s per million"
    answer = "compared with the truth" if contender.counts else "counted nothing"
    say(f"{contender.name}: {result.rate:,.0f} plays/s, {what}, {answer}")
    if not is_warm_up:
        race.results[contender.name].append(result)
