"""Scanning: what is sure is what Arrow's reader says of the record alone; and plain plays are sure."""

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charts.fields import SCHEMA
from charts.reader import read
from charts.scan import scan
from charts.slices import Slices
from tests.charts.test_play import CRAFTED, GOOD, broken, dented, play, raw, values

#: Shapes that nearly are plain: spaces, repeated and unknown fields, numbers and words of every kind.
names = st.sampled_from(['"play_id"', '"title"', '"played_at"', '"x"', '"é"', '"play_ie"', '""', '"a\\n"'])
said = st.sampled_from(
    ['"a"', '""', '"é𝄞"', '"\\u0041"', "0", "00", "1", "-1", "1.5", "9" * 18, "9" * 19, "null", "nul", "true"]
)
spaces = st.sampled_from(["", "", "", " ", "  ", "\t", "\n"])


@st.composite
def near_plain(draw: st.DrawFn) -> bytes:
    """An object written by hand."""
    parts = []
    for _ in range(draw(st.integers(0, 4))):
        name, value = draw(names), draw(said)
        parts.append(f"{draw(spaces)}{name}{draw(spaces)}:{draw(spaces)}{value}{draw(spaces)}")
    return b"{" + ",".join(parts).encode() + b"}"


def by_the_reader(value: bytes | None) -> dict[str, object] | None:
    """The authority's word on one record; none, if it is no object."""
    reasons: dict[int, str] = {}
    table = read(Slices.of([value]), reasons)
    return None if reasons else table.to_pylist()[0]


def by_the_scan(run: list[bytes | None]) -> list[dict[str, object] | None]:
    """What the scan is sure of; nothing, where it is not."""
    fields, sure = scan(Slices.of(run))
    # What is not sure may hold anything.
    read_rows = fields.take(sure.nonzero()[0]).table().to_pylist()
    told = iter(read_rows)
    return [next(told) if each else None for each in sure.tolist()]


@settings(max_examples=400, deadline=None)
@given(st.lists(near_plain() | values | dented() | broken, max_size=8))
@example(CRAFTED)
def test_what_is_sure_is_what_the_reader_says(run: list[bytes | None]) -> None:
    for value, found in zip(run, by_the_scan(run), strict=True):
        assert found is None or found == by_the_reader(value), value


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=6))
def test_bytes_are_text_where_python_says_so(text: bytes) -> None:
    (found,) = by_the_scan([raw("title", b'"' + text + b'"')])
    try:
        plain = text.decode().isprintable() or None
    except UnicodeDecodeError:
        plain = None
    if plain and not {*'"\\'} & {*text.decode()}:
        assert found is not None
        assert found["title"] == text.decode()
    elif found is not None:
        assert found["title"] == text.decode()


@pytest.mark.parametrize(
    "value",
    [
        play(),
        play(source="radio", title="Ñandú – 夜に駆ける", artist="𝄞", album=None),
        play(device="phone", offset=3, note=""),
        orjson.dumps(dict(reversed(GOOD.items()))),
        b"{" + b", ".join(b'"%b": %b' % (k.encode(), orjson.dumps(v)) for k, v in GOOD.items()) + b" }",
        b"{}",
    ],
)
def test_plain_records_are_sure(value: bytes) -> None:
    """Else every run could take the slow way, and nobody would notice but by the clock."""
    fields, sure = scan(Slices.of([value, value]))
    assert sure.all()
    told = orjson.loads(value)
    assert fields.table().to_pylist() == [{name: told.get(name) for name in SCHEMA.names}] * 2


def test_no_records_are_no_fields() -> None:
    fields, sure = scan(Slices.of([]))
    assert (len(fields), len(sure)) == (0, 0)
    assert fields.table().num_rows == 0
