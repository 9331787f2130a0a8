"""Shares: rows of some ids at a time, so that all of an id's are seen together, and never all rows.

While they are few they stay in memory, as one share. Of more, those of a sixty-fourth of the ids are one:
thirty million plays of an hour take the memory of half a million.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from charts.identity import hash_texts
from charts.slices import Slices
from tables.piles import Piles

#: Rows that stay in memory: plays take some 600 bytes each, while the first of each identity is looked for.
MOST_ROWS = 500_000
_SHARES = np.uint64(64)


class Shares:
    """Rows, gathered and then read share by share; an id is a text that none of them lacks."""

    def __init__(self, schema: pa.Schema, by: str) -> None:
        self._schema = schema
        self._by = by
        self._held: list[pa.Table] = []
        self._piles: Piles | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, rows: pa.Table) -> None:
        self._held.append(rows)
        if sum(map(len, self._held)) > MOST_ROWS:
            self._put_down()

    def tables(self) -> Iterator[pa.Table]:
        """Tables that have no id in common; none that is empty, but where there is nothing at all."""
        if self._piles is None:
            yield pa.concat_tables([self._schema.empty_table(), *self._held])
            return
        self._put_down()
        self._piles.close()
        for name in self._piles.names:
            yield self._piles.read(name).cast(self._schema)

    def _put_down(self) -> None:
        """What is held goes to the disk."""
        if self._piles is None:
            folder = self._open.enter_context(tempfile.TemporaryDirectory(prefix="charts-shares-"))
            self._piles = Piles(Path(folder), self._schema)
            self._open.callback(self._piles.close)
        while self._held:
            for share, rows in _dealt(self._held.pop(), self._by):
                self._piles.put(str(share), rows)


def _dealt(rows: pa.Table, by: str) -> Iterator[tuple[int, pa.Table]]:
    """Rows by share."""
    if not len(rows):
        return
    shares = np.concatenate([hash_texts(Slices.of_arrow(chunk)) % _SHARES for chunk in rows[by].chunks])
    order = np.argsort(shares, kind="stable")
    dealt, shares = rows.take(pa.array(order)), shares[order]
    starts = np.flatnonzero(np.append(True, shares[1:] != shares[:-1]))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(shares)], strict=True):
        yield int(shares[start]), dealt.slice(start, end - start)
