"""Slices: consecutive records as the simulator sends them, in columns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Consecutive records as they are sent; a record without a value is a tick."""

    #: The simulated clock: record timestamps.
    clock: Ints
    partitions: Ints
    keys: list[bytes | None]
    values: list[bytes | None]

    def __len__(self) -> int:
        return len(self.values)

    def cut(self, start: int, end: int) -> "Slice":
        """Some of the records."""
        rows = slice(start, end)
        return Slice(self.clock[rows], self.partitions[rows], self.keys[rows], self.values[rows])
