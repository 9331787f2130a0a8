"""Remembered plays: whatever is merged underneath, a set per hour."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from charts.remembered import Remembered

HOURS = (100, 101, 102)
#: Few, so that they meet again; the edges of 64 bits among them.
identities = st.sampled_from([0, 1, 2, 3, 1 << 63, (1 << 64) - 2, (1 << 64) - 1])
rows = st.lists(st.tuples(st.sampled_from(HOURS), identities), max_size=12)


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([hour for hour, _ in rows], np.int64), np.array([one for _, one in rows], np.uint64)


#: Offsets jump where a log lost some: to the next upper half of a note, or past many.
jumps = st.sampled_from([0, 0, 0, (1 << 32) - 5, 1 << 32, 1 << 40])


class SetPerHour(RuleBasedStateMachine):
    """The oracle: (hour, identity) → the offsets it is remembered at, the counted one first."""

    def __init__(self) -> None:
        super().__init__()
        self.remembered = Remembered()
        self.known: dict[tuple[int, int], list[int]] = {}
        self.offset = 0

    def offsets(self, count: int, jump: int) -> np.ndarray:
        found = np.arange(self.offset, self.offset + count)
        found[count // 2 :] += jump
        self.offset += count + jump
        return found

    @rule(rows=rows, jump=jumps)
    def admit(self, rows: list[tuple[int, int]], jump: int) -> None:
        hours, hashes = columns(rows)
        offsets = self.offsets(len(rows), jump)
        new = self.remembered.admit(hours, hashes, offsets)
        for row, offset, is_new in zip(rows, offsets.tolist(), new.tolist(), strict=True):
            assert is_new == (row not in self.known)
            self.known.setdefault(row, [offset])

    @rule(hour=st.sampled_from(HOURS), noted=st.lists(identities, max_size=5), jump=jumps)
    def note(self, hour: int, noted: list[int], jump: int) -> None:
        """Repeated identities are all kept."""
        offsets = self.offsets(len(noted), jump)
        self.remembered.note(hour, np.array(noted, np.uint64), offsets)
        for identity, offset in zip(noted, offsets.tolist(), strict=True):
            self.known.setdefault((hour, identity), []).append(offset)

    @rule(before=st.sampled_from([*HOURS, HOURS[-1] + 1]))
    def forget(self, before: int) -> None:
        self.remembered.forget(before)
        self.known = {row: offsets for row, offsets in self.known.items() if row[0] >= before}

    @rule(copies=st.integers(1, 3), dice=st.randoms(use_true_random=False))
    def store_and_load(self, copies: int, dice) -> None:
        """Pieces in any order, some of them more than once."""
        self.remembered = Remembered()
        for hour in {hour for hour, _ in self.known}:
            kept = [(one, at) for (h, one), offsets in self.known.items() if h == hour for at in offsets]
            pieces = kept * copies
            dice.shuffle(pieces)
            hashes = np.array([one for one, _ in pieces], np.uint64)
            self.remembered.load(hour, hashes, np.array([at for _, at in pieces], np.int64))

    @invariant()
    def holds_what_it_was_told(self) -> None:
        assert len(self.remembered) == sum(map(len, self.known.values()))
        assert self.remembered.size_bytes == 12 * len(self.remembered)
        for identity in {identity for _, identity in self.known} | {5}:
            expected = [
                (h, at) for (h, one), offsets in self.known.items() if one == identity for at in offsets
            ]
            assert sorted(self.remembered.find(identity)) == sorted(expected)


TestSetPerHour = SetPerHour.TestCase
TestSetPerHour.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=300), st.integers(0, 1 << 32))
def test_of_equal_identities_the_first_row_is_new(numbers: list[int], seed: int) -> None:
    """Also where a sort would not keep them in order."""
    words = np.random.default_rng(seed).permutation(41).astype(np.uint64) << np.uint64(58)
    hashes = words[np.array(numbers, np.int64)]
    new = Remembered().admit(np.full(len(numbers), 7), hashes, np.arange(len(numbers)))
    assert np.flatnonzero(new).tolist() == sorted({numbers.index(number) for number in numbers})


def test_what_is_loaded_empty_goes_on_as_new() -> None:
    """A crash may leave an hour whose every identity lies past the marker."""
    remembered = Remembered()
    remembered.load(7, np.array([], np.uint64), np.array([], np.int64))
    assert remembered.admit(np.array([7]), np.array([3], np.uint64), np.array([0])).tolist() == [True]
    assert remembered.find(3) == [(7, 0)]


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_play_is_copied_seldom(times: int) -> None:
    """Layers merge as they grow alike: a thousand small flushes leave a handful."""
    remembered = Remembered()
    for flush in range(1000 * times):
        hashes = np.arange(flush * 10, flush * 10 + 10, dtype=np.uint64)
        assert remembered.admit(np.zeros(10, np.int64), hashes, np.arange(10)).all()
    assert len(remembered) == 10_000 * times
    assert len(list(remembered._hours[0])) <= 12
