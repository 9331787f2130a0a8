"""What a soak found, as the page that `make soak` makes: docs/soak.md."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.machine import described
from bench.markdown import table
from simulator.apache import VERSION

PAGE = Path(__file__).parents[2] / "docs" / "soak.md"
#: A minute's samples make one weight.
_MINUTE_S = 60.0
#: A row of the page's table of weights.
_WEIGHTS_A_ROW = 10


@dataclass
class Weights:
    """What the worker that nobody kills holds, and how old the oldest count it shows is."""

    #: From here on as much is open, and forgotten, as ever is.
    warm_s: float
    #: Seconds since the first play, MB.
    mb: list[tuple[float, float]] = field(default_factory=list)
    oldest_s: float = 0.0

    def judged(self) -> tuple[float, float] | None:
        """MB in the minute after it was warm and in the last one; nothing where there were no two of them."""
        warm = [mb for at, mb in self.mb if self.warm_s <= at < self.warm_s + _MINUTE_S]
        end = self.mb[-1][0] if self.mb else 0.0
        last = [mb for at, mb in self.mb if at > end - _MINUTE_S]
        return (median(warm), median(last)) if end >= self.warm_s + 2 * _MINUTE_S else None

    def minutes(self) -> list[float]:
        """Minute by minute."""
        found: dict[int, list[float]] = {}
        for at, mb in self.mb:
            found.setdefault(int(at // _MINUTE_S), []).append(mb)
        return [median(found[minute]) for minute in sorted(found)]


@dataclass(frozen=True)
class Soak:
    """One that ended well."""

    seed: int
    rate: int
    speed: int
    seconds: float
    #: Who was killed, and whether the folder went too.
    kills: list[tuple[str, bool]]
    #: Records by verdict: the truth's.
    ledger: dict[str, int]
    charts: int
    #: The audit's own line.
    audit: str
    #: What it costs to curate the fullest hour once more, where nothing changed.
    curating: str
    #: From the last play to the last chart in the history and in the lake.
    closed_s: float
    weights: Weights

    def page(self) -> str:
        return "\n".join([*self._head(), "", *self._figures(), "", *self._memory()]) + "\n"

    def _head(self) -> list[str]:
        machine = described()
        place = f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gb']} GB"
        return [
            "# Soak",
            "",
            f"Made by `make soak`: plays on Apache Kafka {VERSION}, three workers that count, one that",
            "writes the lake, Postgres beside them. Every minute one of them is killed, but never the first.",
            "A soak that finds a record, a chart or a row that is not the simulator's truth writes no page.",
            "",
            f"{machine['date']}, {place}, shared by the broker, the workers, Postgres and the simulator.",
        ]

    def _figures(self) -> list[str]:
        names = Counter(name for name, _ in self.kills)
        who = ", ".join(f"{name} {count}" for name, count in sorted(names.items()))
        wiped = sum(wiped for _, wiped in self.kills)
        records = f"{sum(self.ledger.values()):,} in {self.seconds / 60:.1f} minutes, {self.rate:,} plays/s"
        hours = self.seconds * self.speed / 3600
        verdicts = ", ".join(f"{count:,} {name}" for name, count in sorted(self.ledger.items()) if count)
        rows = {
            "records": records,
            "event time": f"{hours:.0f} hours, {self.speed} times as fast as ours",
            "killed": f"{len(self.kills)} ({who}), {wiped} with the folder",
            "verdicts, as in the truth": verdicts,
            "charts in the history, as in the truth": f"{self.charts:,}",
            "the audit of the lake": self.audit,
            "working out the fullest hour of the lake again": self.curating,
            "the oldest count shown meanwhile": f"{self.weights.oldest_s:.1f} s old",
            "all final, written and curated": f"{self.closed_s:.0f} s after the last play",
            "seed": f"{self.seed}",
        }
        return table(("", ""), rows.items())

    def _memory(self) -> list[str]:
        warm_minutes = self.weights.warm_s / 60
        verdict = f"Not judged: a worker is warm after {warm_minutes:.0f} minutes."
        if judged := self.weights.judged():
            warm, last = judged
            verdict = (
                f"{warm:.0f} MB when warm, after {warm_minutes:.0f} minutes; {last:.0f} MB in the last one."
            )
        minutes = self.weights.minutes()
        rows = [
            (f"{first}", " ".join(f"{mb:.0f}" for mb in minutes[first : first + _WEIGHTS_A_ROW]))
            for first in range(0, len(minutes), _WEIGHTS_A_ROW)
        ]
        titles = ("from minute", "MB, minute by minute")
        return ["## Memory of the worker nobody killed", "", verdict, "", *table(titles, rows)]
