"""Slices of one buffer are the values themselves."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charts.slices import Slices

values = st.lists(
    st.none() | st.binary(max_size=20) | st.sampled_from([b'{"a":1}', b'"', b"\n"]), max_size=20
)


@given(st.lists(values, min_size=1), st.integers(0, 5))
def test_parts_of_parts_are_joined_in_order(parts: list[list[bytes | None]], skip: int) -> None:
    joined = Slices.joined([Slices.of(part)[skip:] for part in parts])
    left = [value for part in parts for value in part[skip:]]
    assert list(joined) == left
    if None not in left:
        assert joined.lines().to_pybytes() == b"".join(value + b"\n" for value in left if value is not None)


@given(values, st.integers(0, 20))
def test_octets_are_counted_value_by_value(found: list[bytes | None], skip: int) -> None:
    counted = Slices.of(found)[skip:].count_octet(ord('"'))
    assert counted.tolist() == [(value or b"").count(b'"') for value in found[skip:]]


texts = st.lists(st.none() | st.text(max_size=9), max_size=20)


@given(texts, st.data())
def test_arrow_s_texts_are_slices_and_back(column: list[str | None], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(column)))
    array = pa.array(column, pa.string())[first:]
    found = Slices.of_arrow(array)
    assert list(found) == [None if text is None else text.encode() for text in column[first:]]
    rows = data.draw(st.lists(st.integers(0, len(found) - 1), max_size=9) if len(found) else st.just([]))
    taken = found.take(np.array(rows, np.int64)).arrow()
    taken.validate(full=True)
    assert taken.to_pylist() == [column[first:][row] for row in rows]


def test_texts_that_arrow_s_places_cannot_count_are_refused() -> None:
    """Beyond four GiB they would come round to a place that is there."""
    rows = (1 << 12) + 1
    found = Slices(np.zeros(1 << 20, np.uint8), np.zeros(rows, np.int64), np.full(rows, 1 << 20))
    with pytest.raises(pa.ArrowInvalid):
        found.arrow()
