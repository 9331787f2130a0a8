"""A made-up catalogue: tracks with titles, artists, albums, genres and lengths.

Every name follows from the seed and a number, so none is stored; and it can be written as CSV or JSON
Lines for `charts catalog import`.
"""

import csv
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ADJECTIVES = _words(
    "Amber Blue Broken Burning Crystal Distant Electric Endless Faded Fallen Golden Hidden Hollow Last "
    "Little Lonely Lost Midnight Neon Northern Open Paper Quiet Restless Salt Second Secret Silver Slow "
    "Velvet Wild Winter"
)
_NOUNS = _words(
    "Avenue Bird Bridge City Cloud Coast Dance Dream Echo Fire Garden Ghost Heart Horizon House Island "
    "Lantern Letter Light Machine Mirror Moon Mountain Ocean Orchard Parade Rain River Road Satellite "
    "Season Shadow Signal Sky Star Stranger Summer Tide Train Valley Voice Wave Window Wolf"
)
_TITLES = (
    "{a} {n}",
    "{a} {n}",
    "The {n}",
    "{n} in the {m}",
    "{a} {n} Blues",
    "Like a {n}",
    "{n} & {m}",
    "Every {a} {n}",
)
_FIRST = _words(
    "Ada Amara Anouk Bea Björn Camille Chidi Dara Elif Emeka Femi Gaël Hana Ines Iris Jonas Kaia Kofi "
    "Lena Linh Mara Mateo Mei Nadia Niko Nils Noor Oksana Otis Paloma Ravi Renée Rosa Sami Sara Søren "
    "Tariq Uma Viktor Zoë"
)
_LAST = _words(
    "Adeyemi Andrade Bauer Castillo Dubois Eriksen Farouk Fontaine García Halász Ito Jansen Kaya Kowalski "
    "Lindgren Mbeki Moreau Nakamura Novák Okafor Park Petrov Quiroga Rossi Sandoval Şahin Tanaka Varga "
    "Weiß Yılmaz"
)
_BANDS = ("The {a} {n}s", "{n} {m}", "{a} {n}", "{n}s of {m}")
_GENRES = _words("pop rock hip-hop electronic latin afrobeats k-pop metal jazz folk r&b classical")
#: Tracks to an artist and to an album, on average.
_TRACKS_PER_ARTIST, _TRACKS_PER_ALBUM = 12, 8


@dataclass(frozen=True, slots=True)
class Track:
    """One record of the catalogue."""

    track_id: str
    title: str
    artist_id: str
    artist: str
    album_id: str
    album: str
    genre: str
    duration_ms: int
    release_date: str


class Catalogue:
    """All tracks of a world, by their number."""

    def __init__(self, seed: int, tracks: int) -> None:
        rng = np.random.default_rng([seed, 1])
        self.tracks = tracks
        self._seed = seed
        self._names: dict[int, str] = {}
        artists = max(1, tracks // _TRACKS_PER_ARTIST)
        #: Some artists have many tracks, most have few.
        self._artist: npt.NDArray[np.int64] = (artists * rng.random(tracks) ** 1.5).astype(np.int64)
        self._album_of_artist = rng.integers(0, max(1, 2 * _TRACKS_PER_ARTIST // _TRACKS_PER_ALBUM), tracks)
        length = rng.normal(200_000, 45_000, tracks)
        self.duration_ms: npt.NDArray[np.int64] = np.clip(length, 60_000, 420_000).astype(np.int64)

    def track_id(self, number: int) -> str:
        return f"t{number:07d}"

    def title(self, number: int) -> str:
        """Not unique, as titles are not."""
        return self._made(_TITLES, number, 2)

    def artist(self, number: int) -> str:
        """The name of a track's artist."""
        return self.artist_name(int(self._artist[number]))

    def artist_name(self, artist: int) -> str:
        if artist not in self._names:
            self._names[artist] = self._made_artist(artist)
        return self._names[artist]

    def _made_artist(self, artist: int) -> str:
        digits = _scatter(self._seed, artist, 3)
        if digits % 3:
            return f"{_FIRST[digits // 3 % len(_FIRST)]} {_LAST[digits // 200 % len(_LAST)]}"
        return self._made(_BANDS, artist, 4)

    def track(self, number: int) -> Track:
        artist = int(self._artist[number])
        album = int(self._album_of_artist[number])
        key = artist * 16 + album
        digits = _scatter(self._seed, key, 5)
        return Track(
            track_id=self.track_id(number),
            title=self.title(number),
            artist_id=f"a{artist:06d}",
            artist=self.artist_name(artist),
            album_id=f"b{key:07d}",
            album=self._made(_TITLES, key, 6),
            genre=_GENRES[_scatter(self._seed, artist, 7) % len(_GENRES)],
            duration_ms=int(self.duration_ms[number]),
            release_date=f"{1990 + digits % 36}-{digits // 36 % 12 + 1:02d}-{digits // 500 % 28 + 1:02d}",
        )

    def __iter__(self) -> Iterator[Track]:
        return map(self.track, range(self.tracks))

    def export(self, path: Path, first: int | None = None) -> None:
        """Write all tracks, or the first ones: JSON Lines by the file's name, else CSV with a heading."""
        tracks = islice(self, first)
        if path.suffix in (".jsonl", ".ndjson"):
            with path.open("wb") as lines:
                lines.writelines(orjson.dumps(track, option=orjson.OPT_APPEND_NEWLINE) for track in tracks)
            return
        with path.open("w", newline="", encoding="utf-8") as table:
            writer = csv.DictWriter(table, [field.name for field in fields(Track)], lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(track) for track in tracks)

    def _made(self, patterns: tuple[str, ...], number: int, salt: int) -> str:
        digits = _scatter(self._seed, number, salt)
        digits, pattern = divmod(digits, len(patterns))
        digits, a = divmod(digits, len(_ADJECTIVES))
        digits, n = divmod(digits, len(_NOUNS))
        m = (n + 1 + digits % (len(_NOUNS) - 1)) % len(_NOUNS)
        return patterns[pattern].format(a=_ADJECTIVES[a], n=_NOUNS[n], m=_NOUNS[m])


def _scatter(seed: int, number: int, salt: int) -> int:
    """Many digits from few, the same each time (SplitMix64)."""
    bits = (1 << 64) - 1
    z = (seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9 + salt * 0x94D049BB133111EB) & bits
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & bits
    z = (z ^ z >> 27) * 0x94D049BB133111EB & bits
    return z ^ z >> 31
