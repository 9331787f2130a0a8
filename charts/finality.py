"""Finality: how far event time has passed for everybody, told from the heads alone.

A window is final when every partition's clock has passed its end plus lateness, and every play that was
forwarded until then has been applied at its home. Plays are forwarded all the time, so the second half is
asked of each head by itself: its clock counts once the offsets it names have been applied.
"""

from collections import deque
from collections.abc import Mapping

from charts.head import Head
from charts.verdict import Rulebook
from charts.window import DAY_MS, HOUR_MS, Status, Window


class Finality:
    """The common clock of all partitions; it never goes back."""

    def __init__(self) -> None:
        self.heads: dict[int, Head] = {}
        self._passed: dict[int, int] = {}
        self._common = 0
        self._owing: dict[int, deque[tuple[int, Mapping[int, int]]]] = {}

    def update(self, head: Head) -> None:
        """Take in a head; one with a lower offset than the last is a zombie's and changes nothing."""
        known = self.heads.get(head.partition)
        if known is not None and (head.applied, head.clock) < (known.applied, known.clock):
            return
        self.heads[head.partition] = head
        owing = self._owing.setdefault(head.partition, deque())
        clock = head.clock
        if owing and owing[-1][1] == head.forwarded:
            # They wait for the same: one a second would come while a play's home has no owner.
            clock = max(clock, owing.pop()[0])
        owing.append((clock, head.forwarded))
        for partition in self._owing:
            self._settle(partition)

    def clock(self, partitions: int) -> int:
        """Event time every partition has passed, forwarded plays included; 0 while a head is missing.

        Partitions that come to be later have no head yet: their first record will be later than what passed.
        """
        common = min((self._passed.get(partition, 0) for partition in range(partitions)), default=0)
        self._common = max(self._common, common)
        return self._common

    def _settle(self, partition: int) -> None:
        owing = self._owing[partition]
        while owing and self._arrived(owing[0][1]):
            clock, _ = owing.popleft()
            self._passed[partition] = max(clock, self._passed.get(partition, 0))

    def _arrived(self, forwarded: Mapping[int, int]) -> bool:
        return all(
            home in self.heads and self.heads[home].applied >= offset for home, offset in forwarded.items()
        )


def status(window: Window, clock: int, book: Rulebook) -> Status:
    """What a window is at this common clock, by the rules of its last day."""
    return window.status(clock, book.on((window.end - 1) // DAY_MS).lateness_ms)


def settled_hour(clock: int, book: Rulebook) -> int:
    """The first hour (counted from 1970) that is not final at this common clock."""
    # From an hour on that no day's rules keep open: a day less patient may follow a patient one.
    longest = max(rules.lateness_ms for rules in book.rules)
    hour = max(0, (clock - longest) // HOUR_MS - 1)
    while status(Window("hour", hour * HOUR_MS), clock, book) == "final":
        hour += 1
    return hour
