"""The home partition of a track: murmur2 of its id, as Java's and aiokafka's producers place it.

Other producers hash keys differently, or send none; their plays are forwarded home, because the
merge of the boards is exact only while a track lives in one partition.
"""

import numpy as np
import numpy.typing as npt

_SEED = np.uint32(0x9747B28C)
_M = np.uint32(0x5BD1E995)


def home_of(track_id: str, partitions: int) -> int:
    """The home partition of one track."""
    return int(homes_of([track_id.encode()], partitions)[0])


def homes_of(tracks: list[bytes], partitions: int) -> npt.NDArray[np.int64]:
    """The home partition of each track, four bytes of every track at a time."""
    count = len(tracks)
    if not count:
        return np.zeros(0, np.int64)
    lengths = np.fromiter(map(len, tracks), np.int64, count)
    width = max(4, int(lengths.max() + 3) // 4 * 4)
    matrix = np.array(tracks, dtype=f"S{width}").view(np.uint8).reshape(count, width)
    words = matrix.view("<u4")
    with np.errstate(over="ignore"):
        h = _SEED ^ lengths.astype(np.uint32)
        for column in range(width // 4):
            full = lengths >= 4 * (column + 1)
            if not full.any():
                break
            k = words[:, column] * _M
            k ^= k >> np.uint32(24)
            h = np.where(full, h * _M ^ k * _M, h)
        tail = lengths % 4
        if tail.any():
            # The bytes past the last whole word; numpy pads with zeros, which xor leaves alone.
            last = words[np.arange(count), np.minimum(lengths // 4, width // 4 - 1)]
            h = np.where(tail > 0, (h ^ last) * _M, h)
        h ^= h >> np.uint32(13)
        h *= _M
        h ^= h >> np.uint32(15)
    return (h & np.uint32(0x7FFFFFFF)).astype(np.int64) % partitions
