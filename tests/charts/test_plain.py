"""Folding of names, and typos against an oracle that tries every edit."""

import string

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charts.plain import one_typo_apart, plain, plain_column, without_a_letter

small = st.text("abc", max_size=5)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Beyoncé – Don’t", "beyonce dont"),
        ("  ÅNGSTRÖM  ", "angstrom"),
        ("Straße/Øre & Łódź", "strasse ore lodz"),
        ("ＡＢＣ１２３", "abc123"),
        ("きゃりーぱみゅぱみゅ", "きゃりーは\u309aみゅは\u309aみゅ"),
        ("Привет, МИР!", "привет мир"),
        ("!!!", "!!!"),
        ("", ""),
    ],
)
def test_names_lose_case_accents_and_punctuation(text: str, folded: str) -> None:
    assert plain(text) == plain(folded)
    if folded.isascii():
        assert plain(text) == folded


@settings(max_examples=20)
@given(st.lists(st.text(max_size=30), max_size=8))
def test_folding_twice_is_folding_once(texts: list[str]) -> None:
    once = plain_column(pa.array(texts, pa.string()))
    assert plain_column(once).to_pylist() == once.to_pylist() == [plain(text) for text in texts]


def edits(word: str) -> set[str]:
    """Every word one edit away."""
    letters = set(word) | set(string.ascii_lowercase[:4])
    cuts = [(word[:n], word[n:]) for n in range(len(word) + 1)]
    less = {a + b[1:] for a, b in cuts if b}
    more = {a + letter + b for a, b in cuts for letter in letters}
    other = {a + letter + b[1:] for a, b in cuts if b for letter in letters}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    return {word} | less | more | other | swapped


@given(small, small)
def test_one_typo_is_what_one_edit_makes(left: str, right: str) -> None:
    assert one_typo_apart(left, right) == (right in edits(left))


@given(small.filter(bool), st.data())
def test_words_one_typo_apart_share_a_variant(word: str, data: st.DataObject) -> None:
    other = data.draw(st.sampled_from(sorted(edits(word))))
    assert without_a_letter([word]) & without_a_letter([other])
