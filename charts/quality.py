"""Quality: what must be true of ledgers, boards, history and lake at any time, and where it is not.

Each check takes what was read and returns its faults, one line each: none says that all is well.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from charts.chart import GLOBAL
from charts.head import Head
from charts.window import SECOND_MS, Window, rfc3339

Place = tuple[str, Window]

#: Every check by its name, with what it holds.
CHECKS = {
    "ledger": "every offset a partition has applied has one verdict, or held no record",
    "freshness": "every partition's head is fresh",
    "boards": "regions add up to global and hours to days, on every partition's boards",
    "history": "the same in the history, for everything final",
    "snapshots": "what is final is in the history",
    "lake": "hours that are final are curated, and the lake counts what the history says",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One check and what it found."""

    name: str
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.faults


@dataclass(frozen=True, slots=True)
class Odd:
    """A sum that does not add up."""

    place: Place
    what: str
    said: int
    summed: int

    def __str__(self) -> str:
        return f"{name_of(self.place)}: {self.said} plays, the {self.what} is {self.summed}"


def ledger(heads: Mapping[int, Head]) -> list[str]:
    """Partitions whose verdicts are not as many as their records."""
    return [
        f"partition {number}: {judged} verdicts for {head.applied + 1 - head.absent} records"
        for number, head in sorted(heads.items())
        if (judged := sum(head.ledger.values())) != head.applied + 1 - head.absent
    ]


def freshness(heads: Mapping[int, Head], partitions: int, now_ms: int, stale_ms: int) -> list[str]:
    """Partitions nobody speaks for."""
    faults = []
    for number in range(partitions):
        head = heads.get(number)
        if head is None:
            faults.append(f"partition {number}: has no head")
        elif now_ms - head.at > stale_ms:
            faults.append(f"partition {number}: silent for {(now_ms - head.at) // SECOND_MS} s")
    return faults


def sums(said: Mapping[Place, int], is_whole: Callable[[Window], bool] = lambda day: True) -> Iterator[Odd]:
    """Regions that do not add up to `global`, and hours that do not to their day, where it is whole."""
    regions: dict[Window, int] = defaultdict(int)
    hours: dict[Place, int] = defaultdict(int)
    for (region, window), plays in said.items():
        regions[window] += plays if region != GLOBAL else 0
        if window.kind == "hour":
            hours[region, Window.at("day", window.start)] += plays
    for window, summed in sorted(regions.items()):
        if (plays := said.get((GLOBAL, window), 0)) != summed:
            yield Odd((GLOBAL, window), "sum of regions", plays, summed)
    for place in sorted(said, key=lambda place: (place[1], place[0])):
        if place[1].kind == "day" and is_whole(place[1]) and said[place] != hours[place]:
            yield Odd(place, "sum of hours", said[place], hours[place])


def snapshots(
    written: Collection[Place], waiting: Collection[Place], is_final: Callable[[Window], bool]
) -> list[str]:
    """Final charts that wait to be written, and final days that only their hours were written of."""
    faults = [f"{name_of(place)}: final, and not in the history" for place in sorted(waiting)]
    days = {(region, Window.at("day", window.start)) for region, window in written if window.kind == "hour"}
    missing = [place for place in sorted(days) if is_final(place[1]) and place not in {*written, *waiting}]
    return faults + [f"{name_of(place)}: its hours are in the history, the day is not" for place in missing]


def lake(
    published: Mapping[Window, int],
    curated: Mapping[Window, int],
    first: Window | None,
    is_due: Callable[[Window], bool],
) -> list[str]:
    """Hours of `global` that should be curated and are not, or hold another number of plays.

    A lake that holds nothing yet owes nothing: hours before its `first` are not its affair.
    """
    faults = []
    for hour, plays in sorted(published.items()):
        if first is None or hour < first:
            continue
        if hour not in curated:
            faults += [f"{rfc3339(hour.start)}: final, and not curated"] if is_due(hour) else []
        elif curated[hour] != plays:
            faults.append(f"{rfc3339(hour.start)}: {curated[hour]} plays in the lake, {plays} in the history")
    return faults


def name_of(place: Place) -> str:
    region, window = place
    return f"{region} {window.kind} {rfc3339(window.start)}"
