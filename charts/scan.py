"""Scanning: plays read straight from their bytes, where Arrow's reader could say nothing else of them.

Most records are an object on one line, of strings without an escape and of whole numbers. Those are read
here, in a sixth of the reader's time. Of any other the scan says that it is not sure, and the reader decides:
an escape, a field that holds others or is said twice, a number with a sign or a point, bytes that are no
UTF-8.
"""

import numpy as np
import numpy.typing as npt

from charts.compiled import FLAGS, INT_ROWS, INTS, INTS_OUT, OCTETS, compiled
from charts.fields import NUMBERS, TEXTS, Fields
from charts.slices import Ints, Octets, Slices

_NAMES = [name.encode() for name in (*TEXTS, *NUMBERS)]
_NAME_OCTETS = np.frombuffer(b"".join(_NAMES), np.uint8)
_NAME_BOUNDS = np.cumsum([0, *map(len, _NAMES)]).astype(np.int64)
_TEXTS, _FIELDS = len(TEXTS), len(_NAMES)
#: The longest number that surely fits.
_DIGITS = 18
#: An object has seldom more fields; the names of those after it are compared with all.
_PLACES = 16

_QUOTE, _BACKSLASH, _SPACE, _COMMA, _COLON, _OPEN, _CLOSE = b'"\\ ,:{}'
_ZERO, _NINE = b"09"
_NULL = np.frombuffer(b"null", np.uint8)
#: Bytes that stand for themselves in a string: no end, no escape, no part of a longer character.
_PLAIN = np.array([0x20 <= octet < 0x80 and octet not in b'"\\' for octet in range(256)])


def scan(values: Slices) -> tuple[Fields, npt.NDArray[np.bool_]]:
    """The fields of each value, and which of them could be read without a doubt; others mean nothing."""
    fields, sure = Fields.of_none(values.buffer, len(values)), np.zeros(len(values), np.bool_)
    _scan(
        values.buffer,
        values.starts,
        values.lengths,
        _NAME_OCTETS,
        _NAME_BOUNDS,
        np.zeros(_PLACES, np.int64),
        fields.starts,
        fields.lengths,
        fields.numbers,
        sure,
    )
    return fields, sure


@compiled()
def _string_end(octets: Octets, at: int, end: int) -> int:
    """Where the string that begins here is closed; -1 if something in it wants a closer look."""
    while at < end:
        octet = octets[at]
        if _PLAIN[octet]:
            at += 1
        elif octet == _QUOTE:
            return at
        else:
            more = _more_of(octets, at, end)
            if more < 0:
                return -1
            at += more
    return -1


@compiled()
def _more_of(octets: Octets, at: int, end: int) -> int:
    """The length of a character of two to four bytes, well-formed (Unicode, table 3-7); else -1."""
    first = octets[at]
    if first < 0xC2 or first > 0xF4:
        return -1
    length = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if at + length > end:
        return -1
    second = octets[at + 1]
    least = 0xA0 if first == 0xE0 else 0x90 if first == 0xF0 else 0x80
    most = 0x9F if first == 0xED else 0x8F if first == 0xF4 else 0xBF
    if second < least or second > most:
        return -1
    for place in range(at + 2, at + length):
        if octets[place] & 0xC0 != 0x80:
            return -1
    return length


@compiled()
def _is_name(octets: Octets, at: int, size: int, names: Octets, bounds: Ints, field: int) -> bool:
    first = bounds[field]
    if size != bounds[field + 1] - first:
        return False
    for place in range(size):
        if octets[at + place] != names[first + place]:
            return False
    return True


@compiled()
def _field_of(octets: Octets, at: int, size: int, names: Octets, bounds: Ints, likely: int) -> int:
    """Which field is named here; -1 for one we do not know."""
    if _is_name(octets, at, size, names, bounds, likely):
        return likely
    for field in range(_FIELDS):
        if _is_name(octets, at, size, names, bounds, field):
            return field
    return -1


@compiled()
def _past_spaces(octets: Octets, at: int, end: int) -> int:
    while at < end and octets[at] == _SPACE:
        at += 1
    return at


@compiled()
def _past_digits(octets: Octets, at: int, end: int) -> int:
    """Where a whole number without a sign ends; -1 if it is too long, or begins with a zero."""
    start = at
    while at < end and _ZERO <= octets[at] <= _NINE:
        at += 1
    if at == start or at - start > _DIGITS or (octets[start] == _ZERO and at - start > 1):
        return -1
    return at


@compiled()
def _past_null(octets: Octets, at: int, end: int) -> int:
    if at + len(_NULL) > end:
        return -1
    for place in range(len(_NULL)):
        if octets[at + place] != _NULL[place]:
            return -1
    return at + len(_NULL)


@compiled()
def _scan_value(
    octets: Octets, at: int, end: int, field: int, row: int, starts: Ints, lengths: Ints, numbers: Ints
) -> int:
    """Read one field's value and tell where it ends; -1 if it wants a closer look."""
    octet = octets[at]
    if octet == _QUOTE:
        close = _string_end(octets, at + 1, end)
        if close < 0 or field >= _TEXTS:
            return -1
        if field >= 0:
            starts[field, row], lengths[field, row] = at + 1, close - at - 1
        return close + 1
    if _ZERO <= octet <= _NINE:
        stop = _past_digits(octets, at, end)
        if stop < 0 or 0 <= field < _TEXTS:
            return -1
        if field >= 0:
            number = 0
            for place in range(at, stop):
                number = number * 10 + (octets[place] - _ZERO)
            numbers[field - _TEXTS, row] = number
        return stop
    return _past_null(octets, at, end)


@compiled(OCTETS, INTS, INTS, OCTETS, INTS, INTS_OUT, INT_ROWS, INT_ROWS, INT_ROWS, FLAGS)
def _scan(
    octets: Octets,
    firsts: Ints,
    sizes: Ints,
    names: Octets,
    bounds: Ints,
    order: Ints,
    starts: Ints,
    lengths: Ints,
    numbers: Ints,
    sure: npt.NDArray[np.bool_],
) -> None:
    """Every record's fields. A record's fields mostly come in the order of the one before."""
    for row in range(len(firsts)):
        at, end = firsts[row] + 1, firsts[row] + sizes[row] - 1
        if sizes[row] < 2 or octets[at - 1] != _OPEN or octets[end] != _CLOSE:
            continue
        at = _past_spaces(octets, at, end)
        sure[row] = at == end
        place, said = 0, 0
        while at < end and octets[at] == _QUOTE:
            close = _string_end(octets, at + 1, end)
            if close < 0:
                break
            field = _field_of(octets, at + 1, close - at - 1, names, bounds, order[place])
            if field >= 0:
                if said >> field & 1:
                    break
                said |= 1 << field
                order[place] = field
            at = _past_spaces(octets, close + 1, end)
            if at == end or octets[at] != _COLON:
                break
            at = _past_spaces(octets, at + 1, end)
            if at == end:
                break
            at = _scan_value(octets, at, end, field, row, starts, lengths, numbers)
            if at < 0:
                break
            at = _past_spaces(octets, at, end)
            if at == end:
                sure[row] = True
            elif octets[at] != _COMMA:
                break
            else:
                at = _past_spaces(octets, at + 1, end)
            place = min(place + 1, _PLACES - 1)
