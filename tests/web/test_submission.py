"""Submission: what is accepted here is never malformed on the wire, and the other way round."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charts.play import Play, decode_run
from web.problem import Problem
from web.submission import FAULTS_MAX, PLAY_BYTES_MAX, named, namer, read_json, read_lines, read_plays

GOOD = {
    "play_id": "p1",
    "user_id": "u",
    "track_id": "t",
    "region": "DE",
    "played_at": 1_795_271_400_000,
    "ms_played": 30_000,
}
_texts = st.one_of(st.text(max_size=140), st.sampled_from(["x" * 128, "x" * 129, "é" * 64, "\x00", "a\nb"]))
_anything = st.one_of(
    _texts,
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 1 << 41, 1 << 42, (1 << 63) - 1, 1 << 63, "12", [], {}, "DE", "de", "D1", "ÄÖ"]),
)
_rows = st.fixed_dictionaries(
    {},
    optional={name: st.one_of(st.just(GOOD[name]), _anything) for name in GOOD}
    | {"title": _anything, "album": _anything, "mood": _anything},
)


@settings(deadline=None)
@given(rows=st.lists(st.one_of(_rows, _rows.map(lambda row: GOOD | row)), min_size=1, max_size=5))
def test_the_same_rules_as_on_the_wire(rows: list[dict[str, Any]]) -> None:
    rows = [{"play_id": "p", "region": "DE"} | row for row in rows]
    encoded = [orjson.dumps(row) for row in rows if _fits(row)]
    rows = [orjson.loads(value) for value in encoded]
    if not rows:
        return
    taken = read_plays(rows, None, namer("key:x", None), {})
    bad = {fault.at[0] for fault in taken.faults}
    assert [index not in bad for index in range(len(rows))] == decode_run(encoded).good.tolist()
    assert decode_run([value for _, value in taken.records]).good.all()


def _fits(row: dict[str, Any]) -> bool:
    return all(not isinstance(value, int) or value < 1 << 64 for value in row.values())


def test_fields_of_their_own_travel_along() -> None:
    taken = read_plays([GOOD | {"mood": {"joy": [1, 2.5, None]}}], None, namer("key:x", None), {})
    assert Play.decode(taken.records[0][1]).extra == {"mood": {"joy": [1, 2.5, None]}}


@pytest.mark.parametrize(("depth", "good"), [(200, 1), (900, 0)])
def test_a_deep_field_harms_nobody(depth: int, good: int) -> None:
    deep: Any = 1
    for _ in range(depth):
        deep = [deep]
    taken = read_plays([GOOD | {"deep": deep}], None, namer("key:x", None), {})
    assert (len(taken.records), len(taken.faults)) == (good, 1 - good)
    assert decode_run([value for _, value in taken.records]).good.all()


@pytest.mark.parametrize("depth", range(248, 258))
def test_what_is_accepted_can_be_said_back(depth: int) -> None:
    deep: Any = 1
    for _ in range(depth):
        deep = [deep]
    taken = read_plays([GOOD | {"deep": deep}], None, namer("key:x", None), {})
    for _, value in taken.records:
        assert orjson.dumps({"play": Play.decode(value).fields()})


def test_every_bad_play_is_named_before_one_is_named_twice() -> None:
    taken = read_plays([{"play_id": "x"}] * 999 + [GOOD], None, namer("key:x", None), {})
    assert len(taken.faults) > FAULTS_MAX
    told = named(taken.faults)
    assert len(told) == FAULTS_MAX
    assert {fault.at[0] for fault in told} == set(range(999))
    assert told == sorted(told, key=lambda fault: fault.at[0])


def test_every_fault_is_located() -> None:
    rows = [GOOD, {**GOOD, "region": "de", "ms_played": -1}, 5, {"region": "DE"}]
    taken = read_plays(rows, None, namer("key:x", None), {})
    assert [fault.at for fault in taken.faults] == [
        [1, "region"],
        [1, "ms_played"],
        [2],
        [3, "user_id"],
        [3, "track_id"],
        [3, "played_at"],
        [3, "ms_played"],
    ]
    assert taken.play_ids == ["p1"]


def test_a_play_that_is_too_large_is_a_fault() -> None:
    taken = read_plays([GOOD | {"note": "x" * PLAY_BYTES_MAX}], None, namer("key:x", None), {})
    assert [fault.at for fault in taken.faults] == [[0]]


def test_the_region_of_the_key_fills_in() -> None:
    row = {name: value for name, value in GOOD.items() if name != "region"}
    assert read_plays([dict(row)], None, namer("k", None), {}).faults[0].at == [0, "region"]
    [(_, value)] = read_plays([dict(row)], "SE", namer("k", None), {}).records
    assert Play.decode(value).region == "SE"


def test_an_idempotency_key_names_plays_for_ever() -> None:
    row = {name: value for name, value in GOOD.items() if name != "play_id"}
    once, again, other = (
        read_plays([dict(row), dict(row)], None, namer("key:x", key), {}).play_ids for key in ("a", "a", "b")
    )
    assert once == again
    assert len({*once, *other}) == 4


def test_lines_are_read_one_by_one() -> None:
    rows, broken = read_lines(b'{"a":1}\n\n{broken\n  \n{"b":2}\n')
    assert rows == [{"a": 1}, None, {"b": 2}]
    assert list(broken) == [1]


@pytest.mark.parametrize(
    ("body", "status"), [(b"[]", 422), (b"{", 400), (b"", 400), (b"[" + b"1," * 1000 + b"1]", 413)]
)
def test_bodies_that_hold_no_plays(body: bytes, status: int) -> None:
    with pytest.raises(Problem) as caught:
        read_json(body)
    assert caught.value.status == status
