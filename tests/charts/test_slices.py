"""Slices of one buffer are the values themselves."""

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
