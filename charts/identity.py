"""The identity of a play, as 64 bits: a hash of (track_id, play_id); the hour of `played_at` is kept apart.

Persisted, so it must never change: plain multiply and shift over the UTF-8 bytes, eight at a time. Within
one hour's n remembered plays, a new play is mistaken for a duplicate with odds of n / 2⁶⁴: with a billion
plays in an hour, one wrong verdict in some forty hours.
"""

import numpy as np
import numpy.typing as npt

from charts.compiled import HASH, HASHES_OUT, INTS, OCTETS, compiled
from charts.octets import Octets, last_word_at, word_at
from charts.slices import Ints, Slices

Hashes = npt.NDArray[np.uint64]

_SEED = np.uint64(0x243F6A8885A308D3)
_WORD = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


def hash_texts(texts: Slices, seed: np.uint64 = _SEED) -> Hashes:
    """A hash of each text; one that is not there counts as empty."""
    hashes = np.empty(len(texts), np.uint64)
    _hash(texts.buffer, texts.starts, texts.lengths, seed, hashes)
    return _mix(hashes)


def identity(track: Hashes, play: Hashes) -> Hashes:
    """The identity of plays, from the hashes of their track and play ids."""
    return _mix(track * _WORD + play)


def identity_of(track_id: str, play_id: str) -> int:
    """The identity of one play."""
    track, play = (hash_texts(Slices.of([text.encode()])) for text in (track_id, play_id))
    return int(identity(track, play)[0])


def _mix(hashes: Hashes) -> Hashes:
    hashes = (hashes ^ (hashes >> np.uint64(30))) * _MIX1
    hashes = (hashes ^ (hashes >> np.uint64(27))) * _MIX2
    return hashes ^ (hashes >> np.uint64(31))


@compiled(OCTETS, INTS, INTS, HASH, HASHES_OUT)
def _hash(octets: Octets, starts: Ints, lengths: Ints, seed: np.uint64, hashes: Hashes) -> None:
    """Each text's words, the last one filled up with zeros, mixed into one."""
    for row in range(len(starts)):
        length = max(lengths[row], 0)
        at, end = starts[row], starts[row] + length
        mixed = seed ^ np.uint64(length)
        while at < end:
            word = word_at(octets, at) if at + 8 <= end else last_word_at(octets, at, end - at)
            mixed = (mixed ^ word) * _WORD
            mixed ^= mixed >> np.uint64(32)
            at += 8
        hashes[row] = mixed
