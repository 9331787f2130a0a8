"""Bloom filters: whether a Parquet file may hold a text, told by the few kilobytes before its footer.

The split-block filter of the Parquet format, over XXH64 (seed 0). pyarrow writes it, DuckDB and others use
it; pyarrow's Python offers no look into it, so here is one. A text that is there is always said to be.
"""

import struct

import numpy as np

#: One odd number for each of a block's eight words, as the format names them.
_SALT = (0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31)
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_WORD, _HALF = (1 << 64) - 1, (1 << 32) - 1


def may_hold(filter_bytes: bytes, text: str) -> bool:
    """What a filter, as it lies in the file with its header, says of a text."""
    # The header takes some 17 bytes; the bits themselves are a power of two, and 32 bytes or more.
    size = 1 << len(filter_bytes).bit_length() - 1
    blocks = np.frombuffer(filter_bytes[-size:], "<u4").reshape(-1, len(_SALT))
    hashed = xxh64(text.encode())
    block = blocks[(hashed >> 32) * len(blocks) >> 32].tolist()
    key = hashed & _HALF
    return all(word >> ((key * salt & _HALF) >> 27) & 1 for word, salt in zip(block, _SALT, strict=True))


def xxh64(octets: bytes) -> int:
    """XXH64 with seed 0."""
    whole = len(octets) // 32 * 32
    hashed = _P5
    if whole:
        lanes = [(_P1 + _P2) & _WORD, _P2, 0, -_P1 & _WORD]
        for words in struct.iter_unpack("<4Q", octets[:whole]):
            lanes = [_round(lane, word) for lane, word in zip(lanes, words, strict=True)]
        turns = zip(lanes, (1, 7, 12, 18), strict=True)
        hashed = sum(_turn(lane, bits) for lane, bits in turns) & _WORD
        for lane in lanes:
            hashed = ((hashed ^ _round(0, lane)) * _P1 + _P4) & _WORD
    return _last(_rest(hashed + len(octets), octets[whole:]))


def _rest(hashed: int, octets: bytes) -> int:
    """The last bytes, fewer than 32: by eight, by four, one by one."""
    eights, fours = len(octets) // 8 * 8, len(octets) // 4 * 4
    for (word,) in struct.iter_unpack("<Q", octets[:eights]):
        hashed = _turn(hashed & _WORD ^ _round(0, word), 27) * _P1 + _P4
    for (word,) in struct.iter_unpack("<I", octets[eights:fours]):
        hashed = _turn((hashed ^ word * _P1) & _WORD, 23) * _P2 + _P3
    for octet in octets[fours:]:
        hashed = _turn((hashed ^ octet * _P5) & _WORD, 11) * _P1
    return hashed & _WORD


def _last(hashed: int) -> int:
    hashed = (hashed ^ hashed >> 33) * _P2 & _WORD
    hashed = (hashed ^ hashed >> 29) * _P3 & _WORD
    return hashed ^ hashed >> 32


def _round(lane: int, word: int) -> int:
    return _turn(lane + word * _P2 & _WORD, 31) * _P1 & _WORD


def _turn(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) & _WORD
