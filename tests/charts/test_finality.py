"""Finality: a window is final when everybody has passed it, and nothing is still on its way."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from charts.finality import Finality, settled_hour, status
from charts.head import Head
from charts.verdict import Rulebook, Rules
from charts.window import DAY_MS, HOUR_MS, MINUTE_MS, Window
from tests.charts.test_verdict import books

PARTITIONS = 3


def head_of(partition: int, applied: int, clock: int, forwarded: dict[int, int]) -> Head:
    return Head(partition, applied, applied + 1, clock, clock, {}, forwarded, 0, "http://127.0.0.1:6066")


@dataclass
class Walk:
    """The oracle: all heads ever sent, and from them everybody's word."""

    heads: list[Head] = field(default_factory=list)

    def newest(self, partition: int) -> Head:
        mine = [head for head in self.heads if head.partition == partition]
        return max(mine, key=lambda head: (head.applied, head.clock), default=head_of(partition, -1, 0, {}))

    def passed(self, partition: int) -> int:
        """The latest clock of this partition whose forwarded plays have all been applied."""
        clocks = [
            head.clock
            for head in self.heads
            if head.partition == partition
            and all(self.newest(home).applied >= offset for home, offset in head.forwarded.items())
        ]
        return max(clocks, default=0)


#: (partition, records applied, time passed, home, plays forwarded there); sometimes an old head comes again.
steps = st.tuples(
    st.integers(0, PARTITIONS - 1),
    st.integers(0, 4),
    st.integers(0, 5),
    st.integers(0, PARTITIONS - 1),
    st.integers(0, 3),
)
walks = st.lists(st.tuples(steps, st.none() | st.integers(0, 30)), max_size=30)


@settings(max_examples=40, deadline=None)
@given(walks)
def test_the_common_clock_is_the_least_that_all_have_settled(walk: list) -> None:
    finality, oracle, before = Finality(), Walk(), 0
    for (partition, more, later, home, sent), zombie in walk:
        last = oracle.newest(partition)
        forwarded = dict(last.forwarded)
        if sent:
            forwarded[home] = forwarded.get(home, -1) + sent
        heads = [head_of(partition, last.applied + more + (sent > 0), last.clock + later, forwarded)]
        if zombie is not None and oracle.heads:
            # A worker that lost its partition says what it said before.
            heads.append(oracle.heads[zombie % len(oracle.heads)])
        for head in heads:
            finality.update(head)
            oracle.heads.append(head)
        clock = finality.clock(PARTITIONS)
        assert clock == min(oracle.passed(partition) for partition in range(PARTITIONS))
        assert clock >= before
        before = clock
        assert finality.heads == {
            partition: oracle.newest(partition) for partition in {head.partition for head in oracle.heads}
        }


def test_a_missing_head_stops_the_clock() -> None:
    finality = Finality()
    finality.update(head_of(0, 9, NOON, {}))
    assert finality.clock(2) == 0
    finality.update(head_of(1, 3, NOON - 1, {}))
    assert finality.clock(2) == NOON - 1


def test_heads_that_wait_for_the_same_are_kept_as_one() -> None:
    """One a second comes for as long as a play's home has no owner."""
    finality = Finality()
    finality.update(head_of(1, 3, 5, {}))
    for second in range(1_000):
        finality.update(head_of(0, second, second, {1: 7}))
    assert len(finality._owing[0]) == 1
    assert finality.clock(2) == 0
    finality.update(head_of(1, 7, 2_000, {}))
    assert finality.clock(2) == 999


def test_a_partition_that_comes_to_be_holds_the_clock_and_never_sets_it_back() -> None:
    finality = Finality()
    finality.update(head_of(0, 9, NOON, {}))
    assert finality.clock(1) == NOON
    finality.update(head_of(0, 12, NOON + 5, {}))
    assert finality.clock(2) == NOON
    finality.update(head_of(1, 0, NOON + 3, {}))
    assert finality.clock(2) == NOON + 3


def test_a_play_on_its_way_holds_back_only_its_sender() -> None:
    """What was said before it was sent still stands."""
    finality = Finality()
    finality.update(head_of(1, 4, NOON, {}))
    finality.update(head_of(0, 7, NOON - 2, {}))
    finality.update(head_of(0, 9, NOON, {1: 5}))
    assert finality.clock(2) == NOON - 2
    finality.update(head_of(1, 5, NOON, {}))
    assert finality.clock(2) == NOON


NOON = 20_000 * DAY_MS + 12 * HOUR_MS


@settings(max_examples=40, deadline=None)
@given(books, st.integers(-2, 2), st.integers(-2, 4), st.integers(-2, 2))
def test_every_hour_before_the_settled_one_is_final(book: Rulebook, days: int, hours: int, step: int) -> None:
    """And it is the first that is not; also where the lateness changes at midnight."""
    clock = (20_000 + days) * DAY_MS + hours * HOUR_MS + step
    least = min(
        hour
        for hour in range(clock // HOUR_MS - 100, clock // HOUR_MS + 1)
        if status(Window("hour", hour * HOUR_MS), clock, book) != "final"
    )
    assert settled_hour(clock, book) == least


def test_a_shorter_lateness_does_not_settle_the_day_before() -> None:
    # day 0, two hours late                 | day 1, a minute late
    #                         [23 … ) . . . . . . . |
    #                                 [0 … ).|   ^ hour 0 is final, hour 23 is not
    book = Rulebook.of({0: Rules(), 20_000: Rules(lateness_ms=MINUTE_MS)})
    midnight = 20_000 * DAY_MS
    clock = midnight + HOUR_MS + 2 * MINUTE_MS
    assert status(Window("hour", midnight), clock, book) == "final"
    assert settled_hour(clock, book) == 20_000 * 24 - 1
    assert settled_hour(midnight + 2 * HOUR_MS + 1, book) == 20_000 * 24 + 1


def test_before_the_first_hour_nothing_is_settled() -> None:
    assert settled_hour(0, Rulebook.of({0: Rules()})) == 0
