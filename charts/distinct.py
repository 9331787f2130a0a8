"""Distinct texts: plays name few tracks, so what is kept of a track is kept once.

They are told apart by a hash that nobody outside can work out, or ids made to share one would take for ever.
"""

import secrets

import numpy as np

from charts.compiled import HASHES, INTS, INTS_OUT, OCTETS, compiled
from charts.identity import Hashes, hash_texts
from charts.octets import Octets, word_at
from charts.slices import Ints, Slices

_SEED = np.uint64(secrets.randbits(64))


def distinct(texts: Slices) -> tuple[Ints, Ints]:
    """The first row of each text, in order, and which of these texts each row has; none may be missing."""
    rows, which = np.empty((2, len(texts)), np.int64)
    slots = np.full(1 << max(2 * len(texts) - 1, 1).bit_length(), -1, np.int64)
    count = _number(texts.buffer, texts.starts, texts.lengths, hash_texts(texts, _SEED), slots, rows, which)
    return rows[:count], which


@compiled()
def _is_same(octets: Octets, one: int, other: int, length: int) -> bool:
    at = 0
    while at + 8 <= length:
        if word_at(octets, one + at) != word_at(octets, other + at):
            return False
        at += 8
    while at < length:
        if octets[one + at] != octets[other + at]:
            return False
        at += 1
    return True


@compiled(OCTETS, INTS, INTS, HASHES, INTS_OUT, INTS_OUT, INTS_OUT)
def _number(
    octets: Octets, starts: Ints, lengths: Ints, hashes: Hashes, slots: Ints, rows: Ints, which: Ints
) -> int:
    """Number the texts as they come, by a table of a power of two slots; tells how many there are."""
    count, last = 0, len(slots) - 1
    for row in range(len(starts)):
        slot = np.int64(hashes[row] & np.uint64(last))
        while slots[slot] >= 0:
            seen = rows[slots[slot]]
            if (
                hashes[seen] == hashes[row]
                and lengths[seen] == lengths[row]
                and _is_same(octets, starts[seen], starts[row], lengths[row])
            ):
                break
            slot = (slot + 1) & last
        if slots[slot] < 0:
            rows[count], slots[slot] = row, count
            count += 1
        which[row] = slots[slot]
    return count
