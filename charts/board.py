"""Boards: one partition's top list of one region and window, as published.

    key     region/window/start      US/hour/2026-11-21T14:00:00Z
    value   {"applied", "plays", "tracks", "entries": [[track, plays, title, artist], …]}

The offset it includes goes with it: of two boards of a partition, the one with the higher offset holds.
"""

from dataclasses import dataclass

import orjson

from charts.window import Window, kind_of, parse_time, rfc3339

HEAD_KEY = b"head"
RULES_KEY = b"rules/"

Row = tuple[str, int, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Board:
    """Rows are (track, plays, title, artist), ranked; title and artist as the play said."""

    applied: int
    plays: int
    tracks: int
    rows: tuple[Row, ...]

    def encode(self) -> bytes:
        fields = {"applied": self.applied, "plays": self.plays, "tracks": self.tracks, "entries": self.rows}
        return orjson.dumps(fields)

    @classmethod
    def decode(cls, value: bytes) -> "Board":
        fields = orjson.loads(value)
        rows = tuple(tuple(row) for row in fields["entries"])
        return cls(fields["applied"], fields["plays"], fields["tracks"], rows)


def board_key(region: str, window: Window) -> bytes:
    return f"{region}/{window.kind}/{rfc3339(window.start)}".encode()


def parse_board_key(key: bytes) -> tuple[str, Window]:
    region, kind, start = key.decode().split("/")
    return region, Window(kind_of(kind), parse_time(start))
