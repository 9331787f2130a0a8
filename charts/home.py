"""The home partition of a track: murmur2 of its id, as Java's and aiokafka's producers place it.

Other producers hash keys differently, or send none; their plays are forwarded home, because the
merge of the boards is exact only while a track lives in one partition.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from charts.columns import padded

_SEED = np.uint32(0x9747B28C)
_M = np.uint32(0x5BD1E995)


def home_of(track_id: str, partitions: int) -> int:
    """The home partition of one track."""
    return int(homes_of(pa.array([track_id]), partitions)[0])


def homes_of(tracks: pa.StringArray, partitions: int | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The home partition of each track (no nulls), four bytes of every track at a time."""
    octets, lengths = padded(tracks)
    words = octets.view("<u4")
    h = _SEED ^ lengths.astype(np.uint32)
    shortest = int(lengths.min(initial=0))
    for column in range(int(lengths.max(initial=0)) // 4):
        k = words[:, column] * _M
        k = (k ^ (k >> np.uint32(24))) * _M
        mixed = h * _M ^ k
        h = mixed if shortest >= 4 * (column + 1) else np.where(lengths >= 4 * (column + 1), mixed, h)
    tail = lengths % 4
    if tail.any():
        # The bytes past the last whole word; the padding is zero, which xor leaves alone.
        last = words[np.arange(len(words)), np.minimum(lengths // 4, words.shape[1] - 1)]
        h = np.where(tail > 0, (h ^ last) * _M, h)
    h = (h ^ (h >> np.uint32(13))) * _M
    h ^= h >> np.uint32(15)
    return (h & np.uint32(0x7FFFFFFF)).astype(np.int64) % partitions
