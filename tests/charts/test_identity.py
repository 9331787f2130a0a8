"""Identities: a text's hash is its own, whatever column it stands in, and never changes."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charts.identity import hash_texts, identity, identity_of
from charts.slices import Slices

#: Around the eight bytes of a word, NUL and astral characters included.
texts = st.text(max_size=20) | st.integers(0, 25).map(lambda length: "x" * length) | st.just("\0" * 8)
#: An id holds no control characters: without NUL no text can look like a shorter one that is filled up.
ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20) | st.integers(0, 25).map(
    lambda n: "x" * n
)
columns = st.lists(texts, max_size=12)

MASK = (1 << 64) - 1


def hash_one(text: str) -> int:
    """The oracle: the same arithmetic on Python's own integers, eight bytes at a time."""
    octets = text.encode()
    hashed = 0x243F6A8885A308D3 ^ len(octets)
    for first in range(0, len(octets), 8):
        hashed = (hashed ^ int.from_bytes(octets[first : first + 8], "little")) * 0x9E3779B97F4A7C15 & MASK
        hashed ^= hashed >> 32
    return mix(hashed)


def mix(hashed: int) -> int:
    hashed = (hashed ^ hashed >> 30) * 0xBF58476D1CE4E5B9 & MASK
    hashed = (hashed ^ hashed >> 27) * 0x94D049BB133111EB & MASK
    return hashed ^ hashed >> 31


@settings(max_examples=50, deadline=None)
@given(columns)
def test_a_column_is_hashed_text_by_text(column: list[str]) -> None:
    assert hash_texts(Slices.of_arrow(pa.array(column, pa.string()))).tolist() == [
        hash_one(text) for text in column
    ]


@settings(max_examples=50, deadline=None)
@given(columns, st.data())
def test_a_slice_is_hashed_as_a_copy(column: list[str], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(column)))
    last = data.draw(st.integers(first, len(column)))
    whole = pa.array(column, pa.string())
    assert hash_texts(Slices.of_arrow(whole[first:last])).tolist() == [
        hash_one(text) for text in column[first:last]
    ]


@settings(deadline=None)
@given(ids, ids)
def test_hashes_are_equal_where_texts_are(one: str, other: str) -> None:
    assert (hash_one(one) == hash_one(other)) == (one == other)


@settings(deadline=None)
@given(texts, texts)
def test_an_identity_is_of_track_and_play_in_this_order(track: str, play: str) -> None:
    assert identity_of(track, play) == mix((hash_one(track) * 0x9E3779B97F4A7C15 + hash_one(play)) & MASK)
    assert (identity_of(track, play) == identity_of(play, track)) == (track == play)


def test_a_column_of_nothing_has_no_hashes() -> None:
    for column in (pa.array([], pa.string()), pa.array(["a", "b"])[1:1]):
        assert hash_texts(Slices.of_arrow(column)).tolist() == []


@pytest.mark.parametrize(
    ("track", "play", "stored"),
    [
        ("", "", 0x308DB94A3B4B264A),
        ("a", "b", 0x75B5D82CE5583B86),
        ("track-1", "0123456789abcdef", 0xB146920D0BC17E46),
        ("spotify:track:4uLU6hMCjMI75M1A2tKUQC", "01JD9Z6Q3N8V0K6B7R2W5X4Y1T", 0xCC1FBD775F2B43AA),
        ("Ünïcødé 𝄞", "ß" * 32, 0xFBD76A555D278855),
    ],
)
def test_stored_identities_keep_their_values(track: str, play: str, stored: int) -> None:
    """They lie in changelogs: with other values, every remembered play would count again."""
    assert identity_of(track, play) == stored


def test_many_identities_are_distinct_and_spread() -> None:
    """Sequential ids, as lazy senders make them: no collision, and every bit about half set."""
    count = 100_000
    plays = hash_texts(Slices.of_arrow(pa.array(np.arange(count).astype(str))))
    hashes = identity(np.repeat(hash_texts(Slices.of([b"track"])), count), plays)
    assert len(np.unique(hashes)) == count
    shares = [np.mean(hashes >> np.uint64(bit) & np.uint64(1)) for bit in range(64)]
    assert all(0.494 < share < 0.506 for share in shares)
