"""Scanning: plays read straight from their bytes, where Arrow's reader could say nothing else of them.

Most records are an object on one line, of strings without an escape and of whole numbers. Those are read
here, in a third of the reader's time. Of any other the scan says that it is not sure, and the reader decides:
an escape, a field that holds others or is said twice, a number with a sign or a point, bytes that are no
UTF-8.
"""

import numpy as np
import numpy.typing as npt

from charts.compiled import FLAGS, INT_ROWS, INTS, INTS_OUT, OCTETS, compiled
from charts.fields import NUMBERS, TEXTS, Fields
from charts.octets import Octets, word_at
from charts.slices import Ints, Slices

#: The names with the mark that ends them.
_NAMES = [name.encode() + b'"' for name in (*TEXTS, *NUMBERS)]
_NAME_OCTETS = np.frombuffer(b"".join(_NAMES), np.uint8)
_NAME_BOUNDS = np.cumsum([0, *map(len, _NAMES)]).astype(np.int64)
#: Their first eight octets, compared at once.
_NAME_WORDS = np.array([int.from_bytes(name[:8], "little") for name in _NAMES], np.uint64)
_NAME_MASKS = np.array([(1 << 8 * min(8, len(name))) - 1 for name in _NAMES], np.uint64)
_TEXTS, _FIELDS = len(TEXTS), len(_NAMES)
#: The longest number that surely fits.
_DIGITS = 18
#: An object has seldom more fields; the names of those after it are compared with all.
_PLACES = 16

_QUOTE, _BACKSLASH, _SPACE, _COMMA, _COLON, _OPEN, _CLOSE = b'"\\ ,:{}'
_ZERO, _NINE = b"09"
_NULL = np.frombuffer(b"null", np.uint8)
#: The same octet eight times; added up, a word's octets are the topmost one of its product with the ones.
_ONES, _HIGH = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_QUOTES, _BACKSLASHES = _ONES * np.uint64(_QUOTE), _ONES * np.uint64(_BACKSLASH)
_SPACES = _ONES * np.uint64(_SPACE)


def scan(values: Slices) -> tuple[Fields, npt.NDArray[np.bool_]]:
    """The fields of each value, and which of them could be read without a doubt; others mean nothing."""
    fields, sure = Fields.of_none(values.buffer, len(values)), np.zeros(len(values), np.bool_)
    places = (values.buffer, values.starts, values.lengths)
    order = np.zeros(_PLACES, np.int64)
    _scan(*places, fields.starts, fields.lengths, fields.numbers, sure, order)
    return fields, sure


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
def _past_plain(octets: Octets, at: int, end: int) -> int:
    """The first octet that does not stand for itself in a string: a mark, an escape, a control, no ASCII."""
    while at + 8 <= len(octets):
        word = word_at(octets, at)
        quote, backslash = word ^ _QUOTES, word ^ _BACKSLASHES
        # A zero octet borrows from the next one, so of what is found the lowest is true.
        found = ((quote - _ONES) & ~quote) | ((backslash - _ONES) & ~backslash) | (word - _SPACES) | word
        found &= _HIGH
        if found:
            lowest = found & (~found + np.uint64(1))
            before = (((lowest - np.uint64(1)) & _ONES) * _ONES) >> np.uint64(56)
            at = int(at + np.int64(before) - 1)
            break
        at += 8
    while at < end and _SPACE <= octets[at] < 0x80 and octets[at] != _QUOTE and octets[at] != _BACKSLASH:
        at += 1
    return at if at < end else end


@compiled()
def _string_end(octets: Octets, at: int, end: int) -> int:
    """Where the string that begins here is closed; -1 if something in it wants a closer look."""
    while True:
        at = _past_plain(octets, at, end)
        if at == end:
            return -1
        if octets[at] == _QUOTE:
            return at
        more = _more_of(octets, at, end)
        if more < 0:
            return -1
        at += more


@compiled()
def _is_name(octets: Octets, at: int, end: int, field: int) -> bool:
    first, size = _NAME_BOUNDS[field], _NAME_BOUNDS[field + 1] - _NAME_BOUNDS[field]
    if at + size > end:
        return False
    compared = 0
    if at + 8 <= len(octets):
        if (word_at(octets, at) ^ _NAME_WORDS[field]) & _NAME_MASKS[field]:
            return False
        compared = 8
    for place in range(compared, size):
        if octets[at + place] != _NAME_OCTETS[first + place]:
            return False
    return True


@compiled()
def _field_of(octets: Octets, at: int, end: int, likely: int) -> int:
    """Which field is named here; -1 for one we do not know."""
    if _is_name(octets, at, end, likely):
        return likely
    for field in range(_FIELDS):
        if _is_name(octets, at, end, field):
            return field
    return -1


@compiled()
def _past_spaces(octets: Octets, at: int, end: int) -> int:
    while at < end and octets[at] == _SPACE:
        at += 1
    return at


@compiled()
def _past(octets: Octets, at: int, end: int, octet: int) -> int:
    """What follows this octet, spaces passed over; `end` if it is not the one that comes next."""
    at = _past_spaces(octets, at, end)
    return _past_spaces(octets, at + 1, end) if at < end and octets[at] == octet else end


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


@compiled()
def _scan_record(
    octets: Octets, at: int, end: int, row: int, order: Ints, starts: Ints, lengths: Ints, numbers: Ints
) -> bool:
    """Read what is between an object's brackets; tells whether all of it was plain."""
    place, said = 0, 0
    at = _past_spaces(octets, at, end)
    if at == end:
        return True
    while at < end and octets[at] == _QUOTE:
        field = _field_of(octets, at + 1, end, order[place])
        if field < 0:
            close = _string_end(octets, at + 1, end)
        elif said >> field & 1:
            return False
        else:
            close = at + _NAME_BOUNDS[field + 1] - _NAME_BOUNDS[field]
            said |= 1 << field
            order[place] = field
        at = _past(octets, close + 1, end, _COLON) if close >= 0 else end
        at = _scan_value(octets, at, end, field, row, starts, lengths, numbers) if at < end else -1
        if at < 0:
            return False
        at = _past_spaces(octets, at, end)
        if at == end:
            return True
        at = _past(octets, at, end, _COMMA)
        place = min(place + 1, _PLACES - 1)
    return False


@compiled(OCTETS, INTS, INTS, INT_ROWS, INT_ROWS, INT_ROWS, FLAGS, INTS_OUT)
def _scan(
    octets: Octets,
    firsts: Ints,
    sizes: Ints,
    starts: Ints,
    lengths: Ints,
    numbers: Ints,
    sure: npt.NDArray[np.bool_],
    order: Ints,
) -> None:
    """Every record's fields. They mostly come in the `order` of the record before."""
    for row in range(len(firsts)):
        at, end = firsts[row], firsts[row] + sizes[row] - 1
        if sizes[row] >= 2 and octets[at] == _OPEN and octets[end] == _CLOSE:
            sure[row] = _scan_record(octets, at + 1, end, row, order, starts, lengths, numbers)
