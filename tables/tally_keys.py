"""The keys of the tally's store and changelog.

    day (2 bytes) + track               a tally: charts/tally.py
    FF marker                           the marker, always last in a flush: charts/marker.py
    FF ids/  + hour + first offset      identities that counted, with their offsets
    FF out/  + hour + first offset      identities that did not, with offset and verdict
    FF name/ + track                    title and artist of a track on a board
    FF over/ + key                      a key whose changelog ends in an older record; in the store alone

Days end in 2109, so no day's first byte is FF.
"""

from collections.abc import Iterator

import numpy as np

from charts.identity import Hashes
from charts.tally import Ints

META = b"\xff"
MARKER = b"\xffmarker"
IDS = b"\xffids/"
OUT = b"\xffout/"
NAME = b"\xffname/"
OVERWRITTEN = b"\xffover/"

#: Identities in one value: 20 bytes each before compression, well below a batch.
_CHUNK = 40_000


def end_of(prefix: bytes) -> bytes:
    """The first key after all that start so."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def pack_identities(prefix: bytes, hour: int, hashes: Hashes, notes: Ints) -> Iterator[tuple[bytes, bytes]]:
    """Records that hold the identities of one hour, in the order of their offsets."""
    for first in range(0, len(hashes), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        base = int(notes[first])
        deltas = (notes[chunk] - base).astype("<u4").tobytes()
        key = prefix + hour.to_bytes(4, "big") + base.to_bytes(8, "big")
        yield key, hashes[chunk].astype("<u8").tobytes() + deltas


def unpack_identities(key: bytes, value: bytes) -> tuple[int, Hashes, Ints]:
    """(hour, identities, notes) of one such record."""
    count = len(value) // 12
    hour = int.from_bytes(key[-12:-8], "big")
    base = int.from_bytes(key[-8:], "big")
    hashes = np.frombuffer(value, "<u8", count).astype(np.uint64)
    return hour, hashes, np.frombuffer(value, "<u4", count, 8 * count).astype(np.int64) + base


def hour_key(prefix: bytes, hour: int) -> bytes:
    """Where the records of one hour begin."""
    return prefix + hour.to_bytes(4, "big")


def pack_name(title: str | None, artist: str | None) -> bytes:
    return f"{title or ''}\0{artist or ''}".encode()


def unpack_name(value: bytes) -> tuple[str | None, str | None]:
    title, _, artist = value.decode().partition("\0")
    return title or None, artist or None
