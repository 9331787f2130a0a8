"""Octets read and written eight at a time by machine code."""

import numpy as np
import numpy.typing as npt

from charts.compiled import compiled

Octets = npt.NDArray[np.uint8]

_OCTET = np.uint64(8)


@compiled()
def word_at(octets: Octets, at: int) -> np.uint64:
    """Eight octets as a number, the first one lowest. Said so plainly, it is one load."""
    place = np.uintp(at)
    return (
        np.uint64(octets[place])
        | np.uint64(octets[place + np.uintp(1)]) << np.uint64(8)
        | np.uint64(octets[place + np.uintp(2)]) << np.uint64(16)
        | np.uint64(octets[place + np.uintp(3)]) << np.uint64(24)
        | np.uint64(octets[place + np.uintp(4)]) << np.uint64(32)
        | np.uint64(octets[place + np.uintp(5)]) << np.uint64(40)
        | np.uint64(octets[place + np.uintp(6)]) << np.uint64(48)
        | np.uint64(octets[place + np.uintp(7)]) << np.uint64(56)
    )


@compiled()
def last_word_at(octets: Octets, at: int, size: int) -> np.uint64:
    """Fewer than eight octets as a number, the first one lowest."""
    word = np.uint64(0)
    for place in range(size - 1, -1, -1):
        word = word << _OCTET | np.uint64(octets[at + place])
    return word


@compiled()
def put_word(octets: Octets, at: int, word: np.uint64) -> None:
    """Eight octets from a number, the first one lowest; one store, to the compiler."""
    place = np.uintp(at)
    octets[place] = np.uint8(word)
    octets[place + np.uintp(1)] = np.uint8(word >> np.uint64(8))
    octets[place + np.uintp(2)] = np.uint8(word >> np.uint64(16))
    octets[place + np.uintp(3)] = np.uint8(word >> np.uint64(24))
    octets[place + np.uintp(4)] = np.uint8(word >> np.uint64(32))
    octets[place + np.uintp(5)] = np.uint8(word >> np.uint64(40))
    octets[place + np.uintp(6)] = np.uint8(word >> np.uint64(48))
    octets[place + np.uintp(7)] = np.uint8(word >> np.uint64(56))
