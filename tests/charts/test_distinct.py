"""Distinct texts: as a dictionary would number them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charts import distinct as module
from charts import identity
from charts.distinct import distinct
from charts.identity import hash_texts
from charts.slices import Slices

#: Some are another's beginning, and as long as eight octets, one less and one more.
SOME = ["", "a", "ab", "ü", "1234567", "12345678", "12345679", "123456789", "t" * 128]


@given(st.lists(st.one_of(st.sampled_from(SOME), st.text(max_size=20))))
def test_texts_are_numbered_as_they_come(found: list[str]) -> None:
    rows, which = distinct(Slices.of([text.encode() for text in found]))
    first = {text: found.index(text) for text in found}
    assert rows.tolist() == list(first.values())
    assert which.tolist() == [list(first).index(text) for text in found]


def test_texts_of_one_hash_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SEED", identity._SEED)
    alike = Slices.of([b"8i;fOn9Wl%f@QG[m", b"?FEvxPKk<Ec!:0#6"])
    assert len(set(hash_texts(alike).tolist())) == 1
    rows, which = distinct(alike)
    assert (rows.tolist(), which.tolist()) == ([0, 1], [0, 1])
