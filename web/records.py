"""Records: the models of the catalogue's artists, albums and tracks, sent and answered."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from charts.play import ID_LENGTH
from web.shapes import EntryShape, Time

_NO_CONTROL = r"^[^\x00-\x1f\x7f]+$"
Id = Annotated[str, StringConstraints(min_length=1, max_length=ID_LENGTH, pattern=_NO_CONTROL)]
#: Where the page before ended; empty at the beginning.
After = Annotated[str, StringConstraints(max_length=ID_LENGTH, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512, pattern=_NO_CONTROL)
]
Address = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://[^\s\x00-\x1f\x7f]+$")]
Isrc = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}[A-Z0-9]{3}[0-9]{7}$")]


class Body(BaseModel):
    """The base of the records sent here: a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Track(Body):
    """A track; artist and album by id, or by a name that finds or makes them."""

    track_id: Id | None = Field(None, description="as plays name it; without it one is made of the names")
    title: Text
    artist_id: Id | None = None
    artist: Text | None = None
    album_id: Id | None = None
    album: Text | None = None
    genre: Annotated[Text, Field(max_length=64)] | None = None
    duration_ms: Annotated[int, Field(gt=0, le=999_999_999)] | None = None
    isrc: Isrc | None = None
    release_date: date | None = None
    cover_url: Address | None = None


class Artist(Body):
    """An artist."""

    artist_id: Id | None = None
    name: Text


class Album(Body):
    """An album; its artist by id, or by a name that finds or makes them."""

    album_id: Id | None = None
    title: Text
    artist_id: Id | None = None
    artist: Text | None = None
    release_date: date | None = None
    cover_url: Address | None = None


class Kept(BaseModel):
    """What every record carries."""

    popularity: int = Field(description="plays on the day charts of today and yesterday")
    revision: int
    updated_at: Time


class TrackKept(Track, Kept):
    """A track of the catalogue."""


class ArtistKept(Artist, Kept):
    """An artist of the catalogue."""


class AlbumKept(Album, Kept):
    """An album of the catalogue."""


class Place(EntryShape):
    """Where a track stands now."""

    region: str
    window: str
    starts_at: Time


class TrackNow(BaseModel):
    """The catalogue's record, where there is one, and the present charts the track is on."""

    track_id: str
    title: str | None = None
    artist_id: str | None = None
    artist: str | None = None
    album_id: str | None = None
    album: str | None = None
    genre: str | None = None
    duration_ms: int | None = None
    isrc: str | None = None
    release_date: date | None = None
    cover_url: str | None = None
    popularity: int | None = None
    revision: int | None = Field(None, description="none while the catalogue does not know the track")
    updated_at: Time | None = None
    charts: list[Place]


class Pages(BaseModel):
    """Some records; go on with `?after=` the cursor, until it is none."""

    items: list[dict[str, Any]]
    next: str | None
