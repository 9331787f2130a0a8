"""Identities: a play's own, whoever it came with."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from charts.identity import hash_texts, identity, identity_of

_BITS = (1 << 64) - 1
texts = st.text("ab0é🎵", max_size=40)


def hash_of_one(text: bytes) -> int:
    """The oracle: eight bytes at a time, in whole numbers."""
    value = 0x243F6A8885A308D3 ^ len(text)
    for start in range(0, len(text), 8):
        value = (value ^ int.from_bytes(text[start : start + 8], "little")) * 0x9E3779B97F4A7C15 & _BITS
        value ^= value >> 32
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _BITS
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _BITS
    return value ^ value >> 31


@given(st.lists(texts, max_size=20))
def test_a_text_hashes_alike_in_any_company(column: list[str]) -> None:
    assert hash_texts(pa.array(column, pa.string())).tolist() == [
        hash_of_one(text.encode()) for text in column
    ]


@given(st.lists(texts, min_size=3, max_size=9))
def test_a_slice_of_a_column_hashes_as_the_column(column: list[str]) -> None:
    whole = pa.array(column)
    assert hash_texts(whole[1:-1]).tolist() == hash_texts(whole).tolist()[1:-1]


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=20))
def test_a_play_is_the_same_play_in_any_run(plays: list[tuple[str, str]]) -> None:
    tracks, ids = (hash_texts(pa.array(column)) for column in zip(*plays, strict=True))
    assert identity(tracks, ids).tolist() == [identity_of(*play) for play in plays]


@given(st.lists(st.tuples(texts, texts), unique=True, min_size=2, max_size=50))
def test_other_plays_are_other_identities(plays: list[tuple[str, str]]) -> None:
    assert len({identity_of(*play) for play in plays}) == len(plays)


def test_track_and_play_id_are_not_exchanged() -> None:
    assert identity_of("a", "b") != identity_of("b", "a")
    assert identity_of("ab", "") != identity_of("a", "b") != identity_of("", "ab")


def test_the_stored_hash_never_changes() -> None:
    assert identity_of("track-1", "0" * 32) == 3426140337720168258
