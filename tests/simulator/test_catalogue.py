"""The catalogue: made up once, the same each time, and written for import."""

import csv
from pathlib import Path

import orjson
import pytest

from simulator.catalogue import Catalogue, Track
from simulator.listeners import Listeners
from simulator.world import World


def test_the_same_seed_makes_the_same_catalogue() -> None:
    assert list(Catalogue(5, 300)) == list(Catalogue(5, 300))
    assert list(Catalogue(5, 300)) != list(Catalogue(6, 300))


def test_a_track_is_what_its_plays_say_it_is() -> None:
    listeners = Listeners(World(seed=5, tracks=300))
    by_id = {track.track_id: track for track in listeners.catalogue}
    for piece in listeners.records(2_000):
        for value in piece.values:
            play = orjson.loads(value)
            track = by_id[play["track_id"]]
            assert (play["title"], play["artist"]) == (track.title, track.artist)
            assert play["ms_played"] <= track.duration_ms


def test_an_album_is_of_one_artist_and_an_artist_of_one_name() -> None:
    tracks = list(Catalogue(1, 5_000))
    assert len({track.track_id for track in tracks}) == 5_000
    assert len(
        {(track.album_id, track.artist_id, track.album, track.release_date) for track in tracks}
    ) == len({track.album_id for track in tracks})
    assert len({(track.artist_id, track.artist, track.genre) for track in tracks}) == len(
        {track.artist_id for track in tracks}
    )
    assert 250 < len({track.artist_id for track in tracks}) < 420
    assert len({track.genre for track in tracks}) > 8


@pytest.mark.parametrize("name", ["tracks.csv", "tracks.jsonl", "tracks.ndjson"])
def test_it_is_written_as_it_is(tmp_path: Path, name: str) -> None:
    catalogue = Catalogue(2, 200)
    catalogue.export(tmp_path / name)
    text = (tmp_path / name).read_text()
    if name.endswith(".csv"):
        rows = [{**row, "duration_ms": int(row["duration_ms"])} for row in csv.DictReader(text.splitlines())]
    else:
        rows = [orjson.loads(line) for line in text.splitlines()]
    assert [Track(**row) for row in rows] == list(catalogue)


def test_the_smallest_catalogue_has_one_track() -> None:
    assert [track.track_id for track in Catalogue(1, 1)] == ["t0000000"]
    assert sum(len(piece) for piece in Listeners(World(tracks=1, listeners=1)).records(10)) == 10
