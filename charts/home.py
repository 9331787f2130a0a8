"""The home partition of a track: murmur2 of its id, as Java's and aiokafka's producers place it.

Other producers hash keys differently, or send none; their plays are forwarded home, because the
merge of the boards is exact only while a track lives in one partition.
"""

import numpy as np

from charts.compiled import INTS, INTS_OUT, OCTETS, compiled
from charts.octets import Octets, last_word_at
from charts.slices import Ints, Slices

_SEED = np.uint32(0x9747B28C)
_M = np.uint32(0x5BD1E995)
_POSITIVE = np.uint32(0x7FFFFFFF)


def home_of(track_id: str, partitions: int) -> int:
    """The home partition of one track."""
    return int(homes_of(Slices.of([track_id.encode()]), partitions)[0])


def homes_of(tracks: Slices, partitions: int | Ints) -> Ints:
    """The home partition of each track; one that is not there counts as empty."""
    hashes = np.empty(len(tracks), np.int64)
    _murmur2(tracks.buffer, tracks.starts, tracks.lengths, hashes)
    return hashes % partitions


@compiled(OCTETS, INTS, INTS, INTS_OUT)
def _murmur2(octets: Octets, starts: Ints, lengths: Ints, hashes: Ints) -> None:
    """Four bytes at a time, then those that are left; the sign is cut off, as Kafka's partitioners do."""
    for row in range(len(starts)):
        length = max(lengths[row], 0)
        at, end = starts[row], starts[row] + length
        h = np.uint32(_SEED ^ np.uint32(length))
        while at + 4 <= end:
            k = np.uint32(np.uint32(last_word_at(octets, at, 4)) * _M)
            k = np.uint32((k ^ (k >> np.uint32(24))) * _M)
            h = np.uint32(np.uint32(h * _M) ^ k)
            at += 4
        if at < end:
            h = np.uint32((h ^ np.uint32(last_word_at(octets, at, end - at))) * _M)
        h = np.uint32((h ^ (h >> np.uint32(13))) * _M)
        hashes[row] = (h ^ (h >> np.uint32(15))) & _POSITIVE
