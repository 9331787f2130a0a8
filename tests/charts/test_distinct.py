"""Distinct texts: as a dictionary would number them."""

from hypothesis import given
from hypothesis import strategies as st

from charts.distinct import distinct
from charts.slices import Slices

#: Some are another's beginning, and as long as eight octets, one less and one more.
SOME = ["", "a", "ab", "ü", "1234567", "12345678", "12345679", "123456789", "t" * 128]


@given(st.lists(st.one_of(st.sampled_from(SOME), st.text(max_size=20))))
def test_texts_are_numbered_as_they_come(found: list[str]) -> None:
    rows, which = distinct(Slices.of([text.encode() for text in found]))
    first = {text: found.index(text) for text in found}
    assert rows.tolist() == list(first.values())
    assert which.tolist() == [list(first).index(text) for text in found]
