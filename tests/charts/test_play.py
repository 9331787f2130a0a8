"""Plays: what a record is never depends on the records it was fetched with."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charts.errors import MalformedPlay
from charts.fields import SCHEMA, TEXTS
from charts.play import RECORD_BYTES_MAX, Play, decode_run, region_code, region_name

GOOD: dict[str, Any] = {
    "play_id": "0" * 31 + "1",
    "user_id": "user-1",
    "track_id": "track-1",
    "region": "DE",
    "played_at": 1_763_683_200_000,
    "ms_played": 180_000,
}


def play(**fields: Any) -> bytes:
    return orjson.dumps({**GOOD, **fields})


def raw(name: str, text: bytes) -> bytes:
    """A good play in which one field's value is these bytes, whatever they are."""
    fields = {key: orjson.dumps(value) for key, value in GOOD.items()} | {name: text}
    return b"{" + b",".join(b'"%s":%s' % (key.encode(), value) for key, value in fields.items()) + b"}"


def without(name: str) -> bytes:
    return orjson.dumps({key: value for key, value in GOOD.items() if key != name})


#: Values crafted to lean on a neighbour, to end the text early, or to be read differently in company.
CRAFTED: list[bytes | None] = [
    # Nothing, and no object.
    *(None, b"", b" ", b"\n", b"\0", b"null", b"true", b"1", b'"{}"', b"[]", b"{", b"}", b"}{", b"{}"),
    # Two in one record, and the halves of one in two.
    *(play() + play(), play() + b"\n" + play(), play() + b"," + play(), b"[" + play() + b"]", b"{}{}"),
    *(play() + b"null", b"null" + play(), b"{}null{}", play() + b"[]{}", play() + b"1" + play()),
    *(play()[:-1], play()[1:], play()[:40], play()[40:], b"{" + play(), play() + b"}", b"{}" + play()),
    *(
        b'{"play_id":"}',
        b'{"play_id":{}',
        b'{"x":[{}',
        b'{"x":"\\}',
        b'"}',
        b'":{}}',
        b'{"x":"}\n{"}',
        b"{//}",
    ),
    # A NUL ends some readers' text.
    *(play() + b"\0", play() + b"\0}", play() + play() + b"\0}", b"\0" + play(), b"{\0}", play() + b"\0{}"),
    # Space, newlines, marks and bytes that are no text.
    *(b" " + play() + b"\r\n", play().replace(b",", b",\n"), b"\xef\xbb\xbf" + play(), b"\x0c" + play()),
    *(raw("play_id", b'"a\nb"'), raw("play_id", b'"a\rb"'), raw("x", b'"\xff"'), raw("play_id", b'"\xc3"')),
    *(play() + b"\xff}", play() + b"\xc3\xa9", raw("x", b'"\xed\xa0\x80"')),
    # Strings a reader may mend or refuse.
    *(raw("play_id", b'"\\ud800"'), raw("x", b'"\\udc00"'), raw("play_id", b'"\\u0000"'), raw("x", b'"\\q"')),
    *(raw("play_id", b'"\\u0041"'), raw("play\\u005fid", b'"twice"'), raw("title", b'"\\ud83c\\udfb5"')),
    # Numbers at the edge of what is one.
    *(
        raw("played_at", n)
        for n in (b"1.0", b"1e3", b"-0", b"-1", b"01", b"+1", b"0x1", b"1.", b'"1"', b"true")
    ),
    *(
        raw("played_at", b"%d" % n)
        for n in (0, 1 << 42, (1 << 42) - 1, (1 << 63) - 1, 1 << 63, 1 << 64, 10**400)
    ),
    *(raw("ms_played", n) for n in (b"0", b"-1", b"1.0e12", b"NaN", b"Infinity", b"null", b"[1]", b"29999")),
    # Types, absence, repetition.
    *(raw(name, value) for name in GOOD for value in (b"null", b"1", b'"1"', b"[]", b"{}", b"false", b'""')),
    *(without(name) for name in GOOD),
    *(play()[:-1] + b',"%s":%s}' % (n.encode(), orjson.dumps(v)) for n, v in GOOD.items()),
    *(play(title=1), play(title=None), play(album={}), play(artist=["a"]), play(source=True)),
    # Lengths and letters.
    *(play(play_id="p" * n) for n in (1, 64, 65)),
    *(play(track_id="é" * n) for n in (64, 128, 129)),
    *(play(user_id="u" * n) for n in (128, 129)),
    *(play(region=r) for r in ("de", "D", "DEU", "D1", "É", "[[", "@@", "AA", "ZZ", " DE", "")),
    *(play(play_id=c) for c in ("\x1f", "\x7f", " ", "🎵", "\u2028", "a\tb", '"', "\\")),
    # Unknown fields, which are never an error.
    *(play(x=x) for x in (1, "x", None, [], {}, {"play_id": 1}, [{}], 1.5, "}\n{")),
    *(raw("x", x) for x in (b"[" * 3000 + b"]" * 3000, b"NaN", b"1e999", b"-", b"9" * 50, b'{"a":1,"a":2}')),
    *(play()[:-1] + b',"x":1,"x":[]}', play()[:-1] + b',"":0}', play()[:-1] + b",}", b"{'a':1}"),
]

pieces = st.sampled_from(
    [
        *(
            b"{",
            b"}",
            b"[",
            b"]",
            b'"',
            b":",
            b",",
            b"\\",
            b"\n",
            b"\0",
            b" ",
            b"1",
            b"null",
            b'"play_id"',
            b"\xff",
        ),
        *(
            play(),
            play()[:-1],
            play()[1:],
            b'"x"',
            b"{}",
            b"/*",
            b"//",
            b"#",
            b"\xef\xbb\xbf",
            b"-",
            b"NaN",
            b"\r",
        ),
    ]
)
broken = st.lists(pieces, max_size=8).map(b"".join) | st.binary(max_size=40)


@st.composite
def dented(draw: st.DrawFn) -> bytes:
    """A play with some bytes cut out and others put in."""
    value = play(title="a song")
    start = draw(st.integers(0, len(value)))
    end = draw(st.integers(start, min(len(value), start + 12)))
    return value[:start] + draw(broken) + value[end:]


texts = st.text(max_size=6) | st.sampled_from(["DE", "US", "p", "t"])
fields = st.fixed_dictionaries(
    {
        "play_id": texts,
        "user_id": texts,
        "track_id": texts,
        "region": st.sampled_from(["DE", "US", "de", ""]),
        "played_at": st.integers(-1, 1 << 43),
        "ms_played": st.integers(-1, 1 << 40),
    },
    optional={"title": texts | st.none(), "x": st.recursive(st.none() | texts, st.lists, max_leaves=3)},
)
values = st.sampled_from(CRAFTED) | dented() | broken | fields.map(orjson.dumps) | st.just(play())


def rows(values: Sequence[bytes | None]) -> list[tuple[Any, ...]]:
    """Everything a run says of each record."""
    plays = decode_run(values)
    table = plays.fields.table()
    assert len(plays) == len(values) == table.num_rows
    assert table.schema == SCHEMA
    assert set(plays.reasons) == {row for row, good in enumerate(plays.good) if not good}
    assert all(plays.reasons.values()), "every reason says something"
    columns = (plays.good, plays.region, plays.played_at, plays.ms_played)
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    texts = zip(*(table[name].to_pylist() for name in TEXTS), strict=True)
    told = [plays.reasons.get(row) for row in range(len(values))]
    return list(zip(numbers, texts, told, strict=True))


@settings(max_examples=40, deadline=None)
@given(st.lists(values, max_size=12))
def test_a_run_says_of_each_record_what_the_record_alone_says(run: list[bytes | None]) -> None:
    assert rows(run) == [rows([value])[0] for value in run]


@pytest.fixture(scope="module")
def alone() -> list[tuple[Any, ...]]:
    return [rows([value])[0] for value in CRAFTED]


def test_the_crafted_values_hold_when_all_come_together(alone: list[tuple[Any, ...]]) -> None:
    assert rows(CRAFTED) == alone
    assert rows(CRAFTED[::-1]) == alone[::-1]


def test_no_pair_of_crafted_values_makes_up_for_each_other(alone: list[tuple[Any, ...]]) -> None:
    """Two records for one beside none for one, the pair that counting rows alone would let pass."""
    good = [row[0][0] for row in alone]
    twos = [i for i, value in enumerate(CRAFTED) if value and value.count(b"{") > 1 and not good[i]]
    nones = [i for i, value in enumerate(CRAFTED) if value is None or {*b"{}"} - {*value} or 0 in value]
    assert min(len(twos), len(nones)) > 20
    for i in twos:
        for j in nones:
            assert not decode_run([CRAFTED[i], CRAFTED[j]]).good.any(), (CRAFTED[i], CRAFTED[j])


def test_the_crafted_values_are_of_both_kinds(alone: list[tuple[Any, ...]]) -> None:
    good = [row for row in alone if row[0][0]]
    assert 30 < len(good) < len(alone) - 90


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(CRAFTED), max_size=6), st.integers(0, 2000))
def test_odd_records_deep_in_a_long_run_stay_alone(odd: list[bytes | None], before: int) -> None:
    plays = decode_run([play()] * before + odd + [play()] * 5)
    expected = [True] * before + [rows([value])[0][0][0] for value in odd] + [True] * 5
    assert plays.good.tolist() == expected


def test_an_empty_run_is_empty_columns() -> None:
    assert rows([]) == []


@settings(deadline=None)
@given(values)
def test_one_play_decodes_as_its_run_does(value: bytes | None) -> None:
    plays = decode_run([value])
    try:
        decoded = Play.decode(value or b"")
    except MalformedPlay as error:
        assert plays.reasons.get(0) == str(error) or "unknown fields" in str(error)
    else:
        assert plays.good[0]
        assert {name: getattr(decoded, name) for name in SCHEMA.names} == plays.fields.table().to_pylist()[0]


ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
good_plays = st.builds(
    Play,
    play_id=ids,
    user_id=ids,
    track_id=ids,
    region=st.text(st.sampled_from("ABCXYZ"), min_size=2, max_size=2),
    played_at=st.integers(0, (1 << 42) - 1),
    ms_played=st.integers(0, (1 << 63) - 1),
    source=st.none() | ids,
    title=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    extra=st.dictionaries(st.sampled_from(["x", "device", "Title"]), st.integers(0, 9) | ids, max_size=2),
)


@settings(deadline=None)
@given(st.lists(good_plays, max_size=8))
def test_what_is_encoded_is_decoded(plays: list[Play]) -> None:
    encoded = [one.encode() for one in plays]
    assert [Play.decode(value) for value in encoded] == plays
    columns = decode_run(encoded)
    assert columns.good.all()
    assert columns.played_at.tolist() == [one.played_at for one in plays]
    assert columns.ms_played.tolist() == [one.ms_played for one in plays]
    assert [region_name(code) for code in columns.region.tolist()] == [one.region for one in plays]
    assert columns.fields.table()["track_id"].to_pylist() == [one.track_id for one in plays]
    assert columns.hour.tolist() == [one.played_at // 3_600_000 for one in plays]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b"[]", "no JSON object"),
        (play() + play(), "more than one JSON object"),
        (raw("user_id", b'"\xff"'), "not UTF-8"),
        (without("user_id"), "user_id is missing"),
        (play(track_id=None), "track_id is missing"),
        (play(track_id=""), "track_id is empty"),
        (play(play_id="x" * 65), "play_id is over 64 characters"),
        (play(track_id="x" * 129), "track_id is over 128 characters"),
        (play(user_id="a\nb"), "user_id holds control characters"),
        (play(region="De"), "region is not two capital letters"),
        (play(played_at=-1), "played_at is not between 1970 and 2109"),
        (play(played_at=1 << 42), "played_at is not between 1970 and 2109"),
        (play(ms_played=-1), "ms_played is negative"),
        (play(mood="x" * RECORD_BYTES_MAX), "is over 65536 bytes"),
    ],
)
def test_a_broken_rule_is_named(value: bytes, reason: str) -> None:
    with pytest.raises(MalformedPlay, match=f"^{reason}$"):
        Play.decode(value)


def test_the_first_broken_rule_is_the_reason() -> None:
    with pytest.raises(MalformedPlay, match="play_id is missing"):
        Play.decode(b'{"region":"x","ms_played":-1}')


def test_lengths_are_characters_not_bytes() -> None:
    assert Play.decode(play(track_id="🎵" * 128)).track_id == "🎵" * 128


@pytest.mark.parametrize("value", [raw("x", b"NaN"), raw("x", b"[" * 3000 + b"]" * 3000)])
def test_unknown_fields_that_are_no_json_stop_one_play_but_no_run(value: bytes) -> None:
    assert decode_run([value]).good.all()
    with pytest.raises(MalformedPlay, match="unknown fields are no JSON"):
        Play.decode(value)


@given(st.text(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), min_size=2, max_size=2))
def test_a_region_is_a_number_and_back(region: str) -> None:
    assert region_name(region_code(region)) == region
    assert region_code(region) == int.from_bytes(region.encode(), "big")
