"""Values as slices of the buffer they came in: no object per value, until one is asked for.

In the buffer a newline follows each value, so that values in a row, and nothing between them, are lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Octets = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

NEWLINE = 0x0A
#: The length of a value that is not there.
NONE = -1
#: Every buffer ends in an empty object, which can stand in for what is none.
TAIL = b"{}\n"


@dataclass(frozen=True, slots=True, eq=False)
class Slices(Sequence[bytes | None]):
    """Some values of one buffer, in its order."""

    buffer: Octets
    starts: Ints
    #: `NONE` where there is no value.
    lengths: Ints

    @classmethod
    def of(cls, values: Sequence[bytes | None]) -> "Slices":
        """Values that are objects already, in a buffer of their own."""
        if isinstance(values, Slices):
            return values
        lengths = lengths_of(values)
        ends = np.cumsum(np.maximum(lengths, 0) + 1)
        buffer = np.frombuffer(b"\n".join([*(value or b"" for value in values), TAIL]), np.uint8)
        return cls(buffer, ends - 1 - np.maximum(lengths, 0), lengths)

    @classmethod
    def joined(cls, parts: Sequence[Sequence[bytes | None]]) -> "Slices":
        """Values of several buffers in one."""
        buffers, starts, lengths, size = [], [], [], 0
        for part in map(cls.of, parts):
            first, ends = (
                int(part.starts.min()) if len(part) else 0,
                part.starts + np.maximum(part.lengths, 0) + 1,
            )
            buffers.append(part.buffer[first : ends.max(initial=0)])
            starts.append(part.starts - first + size)
            lengths.append(part.lengths)
            size += len(buffers[-1])
        tail = np.frombuffer(TAIL, np.uint8)
        return cls(np.concatenate([*buffers, tail]), np.concatenate(starts), np.concatenate(lengths))

    def count_octet(self, octet: int) -> Ints:
        """How often each value has an octet."""
        places = np.flatnonzero(self.buffer == octet)
        ends = self.starts + np.maximum(self.lengths, 0)
        return np.searchsorted(places, ends) - np.searchsorted(places, self.starts)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, at: int) -> bytes | None: ...
    @overload
    def __getitem__(self, at: slice) -> "Slices": ...
    def __getitem__(self, at: int | slice) -> "bytes | Slices | None":
        if isinstance(at, slice):
            return Slices(self.buffer, self.starts[at], self.lengths[at])
        start, length = int(self.starts[at]), int(self.lengths[at])
        return None if length == NONE else self.buffer[start : start + length].tobytes()

    def __iter__(self) -> Iterator[bytes | None]:
        octets = self.buffer.data
        for start, length in zip(self.starts.tolist(), self.lengths.tolist(), strict=True):
            yield None if length == NONE else bytes(octets[start : start + length])

    def blanked(self, rows: Sequence[int]) -> "Slices":
        """With an empty object in place of some values."""
        starts, lengths = self.starts.copy(), self.lengths.copy()
        starts[list(rows)], lengths[list(rows)] = len(self.buffer) - len(TAIL), len(TAIL) - 1
        return Slices(self.buffer, starts, lengths)

    def lines(self) -> pa.Buffer:
        """The values in one piece, a newline after each; none may be missing."""
        count, tail = len(self), len(self.buffer) - len(TAIL)
        blank = self.starts == tail
        ends = np.where(blank, 0, self.starts + self.lengths + 1)
        bounds = np.empty(2 * count + 3, np.int32)
        bounds[0], bounds[2:-2:2], bounds[-2:] = 0, np.maximum.accumulate(ends), (tail, len(self.buffer))
        bounds[1:-2:2] = np.where(blank, bounds[2:-2:2], self.starts)
        # Every second piece is a value, and what lies between two is left behind; the last one is the tail.
        pieces = pa.Array.from_buffers(
            pa.binary(), 2 * count + 2, [None, pa.py_buffer(bounds), pa.py_buffer(self.buffer)]
        )
        wanted = np.where(blank, 2 * count + 1, np.arange(1, 2 * count, 2))
        return pieces.take(pa.array(wanted)).buffers()[2]


def lines_of(values: Sequence[Any]) -> tuple[pa.Buffer, Ints]:
    """Values, none missing, as lines; and the length of each."""
    if isinstance(values, Slices):
        return values.lines(), values.lengths
    return pa.py_buffer(b"\n".join([*values, b""])), lengths_of(values)


def lengths_of(values: Sequence[bytes | None]) -> Ints:
    """The length of each value."""
    if isinstance(values, Slices):
        return values.lengths
    return np.array([NONE if value is None else len(value) for value in values], np.int64)


def lacks_one(values: Sequence[bytes | None]) -> bool:
    """Whether a value is missing."""
    return bool((values.lengths == NONE).any()) if isinstance(values, Slices) else None in values
