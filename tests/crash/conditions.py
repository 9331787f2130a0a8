"""The conditions of a round, and the fewest rounds that bring every two of them together."""

import itertools
import random
from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints

Death = Literal["random", "batch", "changelog", "marker", "stored"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What happens in one round while plays stream in; one worker is always killed."""

    #: How the killed worker dies: at a random moment, or at a point of the flush.
    death: Death
    #: What it finds when it starts again.
    folder: Literal["kept", "wiped"]
    workers: Literal["one", "two"]
    #: A worker that comes, or goes in peace, in the middle.
    change: Literal["none", "joins", "leaves"]
    #: Whether the broker hangs for 20 s.
    broker: Literal["calm", "paused"]
    #: Whether a worker is stopped beyond its session and woken again.
    zombie: Literal["no", "yes"]

    def pairs(self) -> set[tuple[tuple[str, str], tuple[str, str]]]:
        named = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return set(itertools.combinations(named, 2))


def everything() -> list[Conditions]:
    hints = get_type_hints(Conditions)
    choices = [get_args(hints[field.name]) for field in fields(Conditions)]
    return [Conditions(*row) for row in itertools.product(*choices)]


def covering(rounds: int, seed: int) -> list[Conditions]:
    """So many rounds that hold every pair at least once; slow conditions are not repeated needlessly."""
    dice = random.Random(seed)
    left = set().union(*(conditions.pairs() for conditions in everything()))
    chosen: list[Conditions] = []
    while left:
        candidates = dice.sample(everything(), len(everything()))
        best = max(candidates, key=lambda one: len(one.pairs() & left))
        chosen.append(best)
        left -= best.pairs()
    quick = [one for one in everything() if one.broker == "calm"]
    chosen += dice.choices(quick, k=max(0, rounds - len(chosen)))
    dice.shuffle(chosen)
    return chosen
