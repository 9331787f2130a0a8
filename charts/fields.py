"""Fields: what a run of records says of its plays, a column each; texts stay where they came in."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from charts.octets import Octets
from charts.slices import NONE, Ints, Slices

TEXTS = ("play_id", "user_id", "track_id", "region", "source", "title", "artist", "album")
NUMBERS = ("played_at", "ms_played")
SCHEMA = pa.schema([(name, pa.string()) for name in TEXTS] + [(name, pa.int64()) for name in NUMBERS])
#: A number that is not there.
ABSENT = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """The known fields of every record."""

    octets: Octets
    #: A row for each of TEXTS: where each text starts, and its length.
    starts: Ints
    lengths: Ints
    #: A row for each of NUMBERS.
    numbers: Ints

    @classmethod
    def of_none(cls, octets: Octets, count: int) -> "Fields":
        """So many records that say nothing."""
        return cls(
            octets,
            np.zeros((len(TEXTS), count), np.int64),
            np.full((len(TEXTS), count), NONE, np.int64),
            np.full((len(NUMBERS), count), ABSENT, np.int64),
        )

    def __len__(self) -> int:
        return self.numbers.shape[1]

    def text(self, name: str) -> Slices:
        """One column of texts."""
        place = TEXTS.index(name)
        return Slices(self.octets, self.starts[place], self.lengths[place])

    def number(self, name: str) -> Ints:
        """One column of numbers."""
        column: Ints = self.numbers[NUMBERS.index(name)]
        return column

    def take(self, rows: Ints) -> "Fields":
        """Some of the records."""
        columns = (self.starts, self.lengths, self.numbers)
        return Fields(self.octets, *(np.take(column, rows, axis=1) for column in columns))

    def table(self) -> pa.Table:
        """All of it, copied into Arrow's columns."""
        texts = [self.text(name).arrow() for name in TEXTS]
        numbers = [pa.array(column, mask=column == ABSENT) for column in self.numbers]
        return pa.table([*texts, *numbers], schema=SCHEMA)

    def amended(self, rows: Ints, table: pa.Table) -> "Fields":
        """With other words in some rows."""
        starts, lengths, numbers = self.starts.copy(), self.lengths.copy(), self.numbers.copy()
        buffers, size = [self.octets], len(self.octets)
        for place, name in enumerate(TEXTS):
            text = Slices.of_arrow(_whole(table[name]))
            starts[place, rows], lengths[place, rows] = text.starts + size, text.lengths
            buffers.append(text.buffer)
            size += len(text.buffer)
        for place, name in enumerate(NUMBERS):
            # The least number of all is out of every range, so one more says the same.
            said = _whole(table[name]).fill_null(ABSENT).to_numpy()
            there = table[name].is_valid().to_numpy()
            numbers[place, rows] = np.where(there, np.maximum(said, ABSENT + 1), ABSENT)
        return Fields(np.concatenate(buffers), starts, lengths, numbers)


def _whole(column: pa.ChunkedArray) -> Any:
    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
