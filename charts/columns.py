"""Text columns as a matrix of bytes, so that a hash of every text is a few array operations."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Octets = npt.NDArray[np.uint8]


def padded(column: pa.StringArray) -> tuple[Octets, npt.NDArray[np.int64]]:
    """One row per text (no nulls), padded with zeros to whole words of eight bytes; and the lengths."""
    count = len(column)
    if not count:
        return np.zeros((0, 8), np.uint8), np.zeros(0, np.int64)
    _, bounds_buffer, data_buffer = column.buffers()
    bounds = np.frombuffer(bounds_buffer, np.int32, count + 1, 4 * column.offset)
    lengths = np.diff(bounds).astype(np.int64)
    longest, shortest = int(lengths.max()), int(lengths.min())
    octets = np.zeros((count, max(8, (longest + 7) // 8 * 8)), np.uint8)
    if longest:
        data = np.frombuffer(data_buffer, np.uint8)[bounds[0] : bounds[-1]]
        if shortest == longest:
            octets[:, :longest] = data.reshape(count, longest)
        else:
            octets[np.arange(octets.shape[1]) < lengths[:, None]] = data
    return octets, lengths
