"""Listens: ListenBrainz's shape of a play, its rules in its order and words, and the play a listen is.

Scrobblers are written against that server, down to its error texts, so these are a contract; what it would
stumble over (and answer with a 500) is a 400 here. The first broken rule of the first bad listen speaks.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from charts.play import Play

ListenType = Literal["single", "import", "playing_now"]
LISTENS_MAX = 1000
LISTEN_BYTES_MAX = 10_240
BODY_BYTES_MAX = LISTENS_MAX * LISTEN_BYTES_MAX
TAGS_MAX = 50
TAG_LENGTH_MAX = 64
DURATION_S_MAX = 24 * 24 * 3600
#: A listen may be this far ahead of our clock, in seconds.
SKEW_S = 3600
#: 2002-10-01, when scrobbling began. The error text names another second; clients know it so.
EARLIEST_S = 1_033_430_400
#: What a scrobble without any duration implies: it was listened to.
MS_PLAYED = 30_000
#: The region of a key that names none: ISO 3166 leaves it to its users.
NOWHERE = "ZZ"

#: Levels of a listen; ListenBrainz has none, but its parser has.
_DEPTH_MAX = 50
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_SINGLE_IDS = ("release_mbid", "recording_mbid", "release_group_mbid", "track_mbid")
_LISTED_IDS = ("artist_mbids", "work_mbids")


class BadListen(Exception):
    """Raised when a listen breaks a rule."""


@dataclass(frozen=True, slots=True)
class Listen:
    """A listen that keeps all rules."""

    artist: str
    title: str
    album: str | None
    info: dict[str, Any]
    #: Seconds since 1970; none for what is playing now.
    listened_at: int | None

    @property
    def track_id(self) -> str:
        """The same recording, the same id: by MusicBrainz, by ISRC, or by what it is called."""
        if recording := self.info.get("recording_mbid"):
            return f"mbid:{UUID(recording)}"
        isrc = str(self.info.get("isrc") or "").replace("-", "").upper()
        if _ISRC.fullmatch(isrc):
            return f"isrc:{isrc}"
        name = f"{_normalised(self.artist)}\0{_normalised(self.title)}"
        return f"name:{blake2b(name.encode(), digest_size=16).hexdigest()}"

    @property
    def recording_msid(self) -> str:
        return str(uuid5(NAMESPACE_URL, self.track_id))

    @property
    def ms_played(self) -> int:
        """How long was listened, else how long the track is, else just long enough to count."""
        played = _seconds(self.info.get("duration_played"))
        if played is not None:
            return round(played * 1000)
        if "duration" in self.info:
            return int(self.info["duration"]) * 1000
        return int(self.info.get("duration_ms", MS_PLAYED))

    def play(self, user: str, region: str | None) -> Play:
        """The play this listen is; sent again, it is the same play."""
        assert self.listened_at is not None
        track_id = self.track_id
        name = f"{user}\n{self.listened_at}\n{track_id}"
        return Play(
            play_id=sha256(name.encode()).hexdigest()[:32],
            user_id=user,
            track_id=track_id,
            region=region or NOWHERE,
            played_at=self.listened_at * 1000,
            ms_played=self.ms_played,
            source="listenbrainz",
            title=self.title,
            artist=self.artist,
            album=self.album,
            extra={"additional_info": self.info} if self.info else {},
        )


def read_listen(value: Any, kind: ListenType, now_s: float) -> Listen:
    """One listen of a payload; raises BadListen in ListenBrainz's words."""
    if value is None:
        raise BadListen("Listen is empty and cannot be validated.")
    if not isinstance(value, dict):
        raise BadListen("Listen must be a JSON object.")
    listened_at = _read_time(value, now_s) if kind != "playing_now" else None
    _check_keys(value, kind)
    metadata = value["track_metadata"]
    if metadata is None:
        raise BadListen("JSON document may not have track_metadata with null value.")
    if not isinstance(metadata, dict):
        raise BadListen("track_metadata must be a JSON object.")
    title = _read_name(metadata, "track_name")
    artist = _read_name(metadata, "artist_name")
    album = _read_name(metadata, "release_name") if "release_name" in metadata else None
    info = _read_info(metadata.get("additional_info"))
    _refuse_null(value)
    return Listen(artist, title, album or None, info, listened_at)


def _read_time(listen: dict[str, Any], now_s: float) -> int:
    if "listened_at" not in listen:
        raise BadListen("JSON document must contain the key listened_at at the top level.")
    try:
        listened_at = int(listen["listened_at"])
    except (ValueError, TypeError, OverflowError):
        raise BadListen("JSON document must contain an int value for listened_at.") from None
    if listened_at >= int(now_s) + SKEW_S:
        raise BadListen("Value for key listened_at is too high.")
    if listened_at < EARLIEST_S:
        raise BadListen(
            "Value for key listened_at is too low. listened_at timestamp should be greater than "
            "1033410600 (2002-10-01 00:00:00 UTC)."
        )
    return listened_at


def _check_keys(listen: dict[str, Any], kind: ListenType) -> None:
    if kind == "playing_now" and "listened_at" in listen:
        raise BadListen("JSON document must not contain listened_at while submitting playing_now.")
    if "track_metadata" not in listen:
        raise BadListen("JSON document must contain the key track_metadata at the top level.")
    if kind == "playing_now" and len(listen) > 1:
        raise BadListen(
            "JSON document may only contain track_metadata as top level key when submitting playing_now."
        )
    if len(listen) > 2:
        raise BadListen("JSON document may only contain listened_at and track_metadata top level keys")


def _read_name(metadata: dict[str, Any], key: str) -> str:
    if key not in metadata:
        raise BadListen(f"JSON document does not contain required field track_metadata.{key}.")
    name = metadata[key]
    if not isinstance(name, str):
        raise BadListen(f"track_metadata.{key} must be a single string.")
    if not name.strip() and key != "release_name":
        raise BadListen(f"field track_metadata.{key} is empty.")
    return name.strip()


def _read_info(info: Any) -> dict[str, Any]:
    """The additional info, without what is empty; PHP writes an empty object as `[]`."""
    if info is None or info == []:
        return {}
    if not isinstance(info, dict):
        raise BadListen("track_metadata.additional_info must be a JSON object.")
    info = dict(info)
    _check_tags(info.get("tags"))
    if "duration" in info and "duration_ms" in info:
        raise BadListen("JSON document should not contain both duration and duration_ms.")
    _read_duration(info, "duration", DURATION_S_MAX)
    _read_duration(info, "duration_ms", DURATION_S_MAX * 1000)
    for key in _SINGLE_IDS:
        if info.get(key):
            _check_id(info[key], key)
        else:
            info.pop(key, None)
    for key in _LISTED_IDS:
        found = info.pop(key, None) or []
        if not isinstance(found, list):
            raise BadListen(f"{key} MBID format invalid.")
        info |= {key: [_check_id(one, key) for one in found if one]} if found else {}
    return info


def _check_tags(tags: Any) -> None:
    if tags is None:
        return
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise BadListen("track_metadata.additional_info.tags must be a list of strings.")
    if len(tags) > TAGS_MAX:
        raise BadListen(
            f"JSON document may not contain more than {TAGS_MAX} items in "
            "track_metadata.additional_info.tags."
        )
    if any(len(tag) > TAG_LENGTH_MAX for tag in tags):
        raise BadListen(
            "JSON document may not contain track_metadata.additional_info.tags longer than "
            f"{TAG_LENGTH_MAX} characters."
        )


def _read_duration(info: dict[str, Any], key: str, most: int) -> None:
    if key not in info:
        return
    try:
        value = int(info[key])
    except (ValueError, TypeError, OverflowError):
        value = 0
    if value <= 0:
        raise BadListen(f"Value for {key} is invalid, should be a positive integer.")
    if value > most:
        raise BadListen(f"Value for {key} is too large, max permitted value is {most}")
    info[key] = value


def _check_id(value: Any, key: str) -> str:
    try:
        UUID(value)
    except (AttributeError, ValueError, TypeError):
        raise BadListen(f"{key} MBID format invalid.") from None
    return str(value)


def _refuse_null(value: Any) -> None:
    """U+0000 anywhere, keys included; and what nests deeper than anything a player says."""
    level = [value]
    for _ in range(_DEPTH_MAX):
        if not level:
            return
        for text in level:
            if isinstance(text, str) and "\0" in text:
                raise BadListen(f"{text} contains a unicode null")
        level = [inner for outer in level for inner in _inside(outer)]
    raise BadListen("Listen is nested too deeply.")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else ()


def _seconds(value: Any) -> float | None:
    """A number of seconds nobody checked; none where it makes no sense."""
    try:
        seconds = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if 0 <= seconds <= DURATION_S_MAX else None


def _normalised(name: str) -> str:
    """Without case, accents, punctuation and doubled space; what has nothing else stays as it is."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(char if char.isalnum() else " " for char in plain if not unicodedata.combining(char))
    return " ".join(letters.split()) or name.strip().casefold()
