"""Values and texts as slices of the buffer they came in: no object for each, until one is asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from charts.compiled import INTS, OCTETS, OCTETS_OUT, compiled
from charts.octets import Octets, put_word, word_at

Ints = npt.NDArray[np.int64]

NEWLINE = 0x0A
#: The length of a value that is not there.
NONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Slices(Sequence[bytes | None]):
    """Some values of one buffer."""

    buffer: Octets
    starts: Ints
    #: `NONE` where there is no value.
    lengths: Ints

    @classmethod
    def of(cls, values: Sequence[bytes | None]) -> "Slices":
        """Values that are objects already, in a buffer of their own."""
        if isinstance(values, Slices):
            return values
        lengths = np.array([NONE if value is None else len(value) for value in values], np.int64)
        ends = np.cumsum(np.maximum(lengths, 0))
        buffer = np.frombuffer(b"".join([value or b"" for value in values]), np.uint8)
        return cls(buffer, ends - np.maximum(lengths, 0), lengths)

    @classmethod
    def of_arrow(cls, array: Any) -> "Slices":
        """An Arrow array of texts or bytes, where it lies."""
        _, bounds_buffer, data = array.buffers()
        bounds = np.frombuffer(bounds_buffer, np.int32, len(array) + 1, 4 * array.offset).astype(np.int64)
        lengths = np.diff(bounds)
        if array.null_count:
            lengths[array.is_null().to_numpy(zero_copy_only=False)] = NONE
        return cls(np.frombuffer(data or b"", np.uint8), bounds[:-1], lengths)

    @classmethod
    def joined(cls, parts: Sequence[Sequence[bytes | None]]) -> "Slices":
        """Values of several buffers in one."""
        buffers, starts, lengths, size = [], [], [], 0
        for part in map(cls.of, parts):
            first = int(part.starts.min()) if len(part) else 0
            ends = part.starts + np.maximum(part.lengths, 0)
            buffers.append(part.buffer[first : ends.max(initial=0)])
            starts.append(part.starts - first + size)
            lengths.append(part.lengths)
            size += len(buffers[-1])
        return cls(np.concatenate(buffers), np.concatenate(starts), np.concatenate(lengths))

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

    def take(self, rows: Ints) -> "Slices":
        """Some of the values."""
        return Slices(self.buffer, self.starts[rows], self.lengths[rows])

    def objects(self) -> list[bytes]:
        """The values, none of which may be missing, as objects; quicker than one by one."""
        octets, ends = self.buffer.tobytes(), self.starts + self.lengths
        return [octets[start:end] for start, end in zip(self.starts.tolist(), ends.tolist(), strict=True)]

    def lines(self) -> pa.Buffer:
        """The values in one piece, a newline after each; none may be missing."""
        ends = np.cumsum(self.lengths + 1)
        text = np.empty(ends[-1] if len(ends) else 0, np.uint8)
        _copy(self.buffer, self.starts, self.lengths, ends - self.lengths - 1, text)
        text[ends - 1] = NEWLINE
        return pa.py_buffer(text)

    def arrow(self) -> pa.StringArray:
        """The values, which are texts, as an Arrow array of their own: of 2 GiB at most, or it is refused."""
        absent = self.lengths == NONE
        bounds = np.zeros(len(self) + 1, np.int64)
        np.cumsum(np.where(absent, 0, self.lengths), out=bounds[1:])
        places = pa.array(bounds, pa.int32()).buffers()[1]
        text = np.empty(bounds[-1], np.uint8)
        _copy(self.buffer, self.starts, self.lengths, bounds[:-1], text)
        valid = pa.py_buffer(np.packbits(~absent, bitorder="little")) if absent.any() else None
        return pa.StringArray.from_buffers(len(self), places, pa.py_buffer(text), valid)


@compiled(OCTETS, INTS, INTS, INTS, OCTETS_OUT)
def _copy(octets: Octets, starts: Ints, lengths: Ints, to: Ints, copied: Octets) -> None:
    """Each value to its place in another buffer, in order: what is copied beyond its end is written over."""
    for row in range(len(starts)):
        start, place, end = starts[row], to[row], to[row] + lengths[row]
        while place < end and start + 8 <= len(octets) and place + 8 <= len(copied):
            put_word(copied, place, word_at(octets, start))
            start, place = start + 8, place + 8
        while place < end:
            copied[place] = octets[start]
            start, place = start + 1, place + 1
