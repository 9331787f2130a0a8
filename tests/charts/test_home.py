"""Homes: the partition of a track is the one every Kafka client's default partitioner names."""

import numpy as np
import pyarrow as pa
import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from charts.home import home_of, homes_of
from charts.slices import Slices


def home_by_aiokafka(track: bytes, partitions: int) -> int:
    """The oracle: as aiokafka's DefaultPartitioner computes it, byte by byte."""
    return (murmur2(track) & 0x7FFFFFFF) % partitions


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 1024))
def test_many_tracks_at_once_land_where_aiokafka_puts_each(tracks: list[bytes], partitions: int) -> None:
    expected = [home_by_aiokafka(track, partitions) for track in tracks]
    assert homes_of(Slices.of(tracks), partitions).tolist() == expected


@pytest.mark.parametrize("tail", [b"", b"\0", b"\0\0", b"\xff", b"abc", b"\0\0\0\0"])
def test_every_length_beside_every_other(tail: bytes) -> None:
    tracks = [b"t" * length + tail for length in range(130)]
    assert homes_of(Slices.of(tracks), 8).tolist() == [home_by_aiokafka(track, 8) for track in tracks]


@given(st.text(max_size=128), st.integers(1, 64))
def test_one_track_is_hashed_as_utf8(track: str, partitions: int) -> None:
    try:
        key = track.encode()
    except UnicodeEncodeError:  # a lone surrogate is no text
        return
    assert home_of(track, partitions) == home_by_aiokafka(key, partitions)


def test_java_agrees() -> None:
    """Figures of org.apache.kafka.common.utils.UtilsTest.testMurmur2."""
    by_java = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    by_java |= {b"a-little-bit-longer-string": -1486304829, b"abc": 479470107}
    by_java |= {b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971}
    tracks, hashes = list(by_java), np.array(list(by_java.values()))
    assert homes_of(Slices.of(tracks), 1 << 31).tolist() == (hashes & 0x7FFFFFFF).tolist()


def test_no_tracks_have_no_homes() -> None:
    assert homes_of(Slices.of([]), 4).tolist() == []


@given(st.lists(st.tuples(st.text("abcé", max_size=9), st.integers(1, 64)), min_size=1))
def test_each_track_by_its_own_days_partitions(tracks: list[tuple[str, int]]) -> None:
    ids, partitions = zip(*tracks, strict=True)
    expected = [home_by_aiokafka(track.encode(), count) for track, count in tracks]
    assert homes_of(Slices.of_arrow(pa.array(ids)), np.array(partitions)).tolist() == expected
