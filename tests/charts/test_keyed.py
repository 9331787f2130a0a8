"""Plays by key: sorted keys, every play with its own, in pieces or not."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from charts import keyed as module
from charts.keyed import Keyed, _numbered
from charts.landing import Landing, Tracks
from charts.tally import key_of

REGIONS = [0x4141, 0x4445, 0x5A5A]
#: (hour, region, track)
plays = st.tuples(st.sampled_from([0, 23, 24, 47, 96]), st.sampled_from(REGIONS), st.sampled_from("abcdé"))
runs = st.lists(st.lists(plays, max_size=8), min_size=1, max_size=4)


def landing_of(run: list[tuple[int, int, str]], first: int) -> Landing:
    """As a run's plays land: of each track once what one of its plays said."""
    tracks = list(dict.fromkeys(track for _, _, track in run))
    return Landing(
        np.arange(first, first + len(run)),
        np.array([hour for hour, _, _ in run], np.int32),
        np.array([region for _, region, _ in run], np.int32),
        np.zeros(len(run), np.uint64),
        np.zeros(len(run), np.bool_),
        np.array([tracks.index(track) for _, _, track in run], np.int32),
        Tracks(
            pa.array(tracks, pa.string()),
            pa.array([f"{track} at {first}" for track in tracks], pa.string()),
            pa.array([None for _ in tracks], pa.string()),
        ),
    )


@given(runs, st.integers(1, 6), st.integers(-1, 20))
def test_every_play_is_found_at_its_key(
    found: list[list[tuple[int, int, str]]], piece_keys: int, fence: int
) -> None:
    everything = [play for run in found for play in run]
    wanted: dict[bytes, list[int]] = defaultdict(list)
    for offset, (hour, region, track) in enumerate(everything):
        plays = wanted[key_of(hour // 24, track.encode())]
        if offset > fence:
            plays.append(region << 8 | hour % 24)
    firsts = np.cumsum([0, *map(len, found[:-1])]).tolist()
    keyed = Keyed.of(Landing.concat([landing_of(*run) for run in zip(found, firsts, strict=True)]))
    assert keyed.keys == sorted(wanted)
    assert [int.from_bytes(key[:2], "big") for key in keyed.keys] == keyed.days.tolist()
    said: dict[str, str] = {}
    for run, first in zip(found, firsts, strict=True):
        for _, _, track in run:
            said.setdefault(track, f"{track} at {first}")
    assert keyed.names(range(len(keyed.keys))) == [(said[key[2:].decode()], None) for key in keyed.keys]
    seen: dict[bytes, list[int]] = {}
    usual, module.PIECE_KEYS = module.PIECE_KEYS, piece_keys
    try:
        pieces = list(keyed.pieces())
    finally:
        module.PIECE_KEYS = usual
    for piece in pieces:
        assert piece.keys == keyed.keys[piece.first :][:piece_keys]
        assert piece.days.tolist() == keyed.days[piece.first :][:piece_keys].tolist()
        fresh = piece.fresh(np.full(len(piece.keys), fence)).tolist()
        for row, key in enumerate(piece.keys):
            seen[key] = [place & 0xFFFFFF for place in fresh if place >> 24 == row]
    assert seen == {key: sorted(places) for key, places in wanted.items()}


@given(st.lists(st.one_of(st.integers(0, 9), st.integers(0, 1 << 40)), min_size=1))
def test_numbers_are_numbered_in_order(found: list[int]) -> None:
    """Close ones by a table, those far apart without: for days times tracks there may be no memory."""
    numbers, which = _numbered(np.array(found))
    assert numbers.tolist() == sorted(set(found))
    assert numbers[which].tolist() == found
