"""The identity of a play, as 64 bits: a hash of (track_id, play_id); the hour of `played_at` is kept apart.

Persisted, so it must never change: plain multiply and shift over the UTF-8 bytes, eight at a time, for a
whole column at once. Within one hour's n remembered plays, a new play is mistaken for a duplicate with
odds of n / 2⁶⁴: with a billion plays in an hour, one wrong verdict in some forty hours.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from charts.columns import padded

Hashes = npt.NDArray[np.uint64]

_SEED = np.uint64(0x243F6A8885A308D3)
_WORD = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


def hash_texts(column: pa.StringArray) -> Hashes:
    """A hash of each text; the column holds no nulls."""
    octets, lengths = padded(column)
    words = octets.view("<u8")
    hashes: Hashes = _SEED ^ lengths.astype(np.uint64)
    shortest = int(lengths.min(initial=0))
    for word in range((int(lengths.max(initial=0)) + 7) // 8):
        mixed = (hashes ^ words[:, word]) * _WORD
        mixed ^= mixed >> np.uint64(32)
        # A text's hash ends with the text: the padding depends on its neighbours.
        hashes = mixed if shortest > 8 * word else np.where(lengths > 8 * word, mixed, hashes)
    return _mix(hashes)


def identity(track: Hashes, play: Hashes) -> Hashes:
    """The identity of plays, from the hashes of their track and play ids."""
    return _mix(track * _WORD + play)


def identity_of(track_id: str, play_id: str) -> int:
    """The identity of one play."""
    track, play = hash_texts(pa.array([track_id])), hash_texts(pa.array([play_id]))
    return int(identity(track, play)[0])


def _mix(hashes: Hashes) -> Hashes:
    hashes = (hashes ^ (hashes >> np.uint64(30))) * _MIX1
    hashes = (hashes ^ (hashes >> np.uint64(27))) * _MIX2
    return hashes ^ (hashes >> np.uint64(31))
