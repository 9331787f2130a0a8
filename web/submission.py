"""Submission: from a request's body to plays on the wire, with every fault located.

The rules are those of charts/play.py, so that what is accepted here is never malformed there; a test
feeds both the same. Unknown fields are kept: the lake has a column for them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_hex
from typing import Annotated, Any, NotRequired

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from charts.play import ID_LENGTH, PLAY_ID_LENGTH
from charts.window import TIME_END
from web.problem import Fault, Problem, faults_of

PLAYS_MAX = 1000
#: One play on the wire, in bytes: names are short, and whatever else is sent must not crowd out others.
PLAY_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 4 << 20
#: Faults named in one answer: a few per play, and never a larger answer than the question.
FAULTS_MAX = 1000
_CALM = r"^[^\x00-\x1f]+$"
_INT64_END = 1 << 63

Id = Annotated[str, Field(min_length=1, max_length=ID_LENGTH, pattern=_CALM)]
PlayId = Annotated[str, Field(min_length=1, max_length=PLAY_ID_LENGTH, pattern=_CALM)]


@with_config(ConfigDict(extra="allow", strict=True))
class PlayBody(TypedDict):
    """One play: who listened to what, where, when and for how long. Other fields are kept as they are."""

    play_id: NotRequired[
        Annotated[PlayId, Field(description="names the play: sent twice, it counts once; made if absent")]
    ]
    user_id: Annotated[Id, Field(description="who")]
    track_id: Annotated[Id, Field(description="what")]
    region: NotRequired[
        Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="where; if absent, the key's region")]
    ]
    played_at: Annotated[int, Field(ge=0, lt=TIME_END, description="when it started, epoch milliseconds")]
    ms_played: Annotated[int, Field(ge=0, lt=_INT64_END, description="for how long, milliseconds")]
    source: NotRequired[str | None]
    title: NotRequired[str | None]
    artist: NotRequired[str | None]
    album: NotRequired[str | None]


_PLAYS = TypeAdapter(list[PlayBody])
Namer = Callable[[int], str]


@dataclass(slots=True)
class Submission:
    """What a body held: plays ready for the wire, and the faults of the others."""

    records: list[tuple[bytes, bytes]] = field(default_factory=list)
    play_ids: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read_json(body: bytes) -> tuple[list[Any], bool]:
    """The rows of a JSON body, and whether it was a list of them."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"not JSON: {error}") from None
    is_list = isinstance(value, list)
    return _bounded(value if is_list else [value]), is_list


def read_lines(body: bytes) -> tuple[list[Any], dict[int, Fault]]:
    """The rows of an NDJSON body, and the faults of lines that are no JSON; empty lines do not count."""
    rows: list[Any] = []
    broken: dict[int, Fault] = {}
    for index, line in enumerate(_bounded([line for line in body.split(b"\n") if line.strip()])):
        try:
            rows.append(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            rows.append(None)
            broken[index] = Fault(at=[index], message=f"not JSON: {error}")
    return rows, broken


def namer(caller: str, idempotency_key: str | None) -> Namer:
    """How plays without an id get one: by the key and their place, so that a repetition says the same."""
    if idempotency_key is None:
        return lambda _: token_hex(16)
    # A header may hold bytes that are no text: they name the request as well.
    known = f"{caller}\n{idempotency_key}\n".encode(errors="surrogateescape")
    return lambda index: sha256(known + str(index).encode()).hexdigest()[:32]


def read_plays(rows: list[Any], region: str | None, name: Namer, broken: dict[int, Fault]) -> Submission:
    """Every good row as a record; every other one's faults, by index and field."""
    taken = Submission()
    if region is not None:
        for row in rows:
            if isinstance(row, dict):
                row.setdefault("region", region)
    bad = set(broken)
    try:
        _PLAYS.validate_python(rows)
    except ValidationError as error:
        taken.faults = [fault for fault in faults_of(error) if fault.at[0] not in broken]
        bad |= {int(fault.at[0]) for fault in taken.faults}
    taken.faults += broken.values()
    for index, row in enumerate(rows):
        if index not in bad:
            _add(taken, index, row, name)
    taken.faults.sort(key=lambda fault: int(fault.at[0]))
    return taken


def named(faults: list[Fault]) -> list[Fault]:
    """As many faults as an answer may hold; every bad play is named before one is named twice."""
    if len(faults) <= FAULTS_MAX:
        return faults
    rows = [fault.at[0] for fault in faults]
    firsts_first = sorted(range(len(faults)), key=lambda place: place > 0 and rows[place] == rows[place - 1])
    return [faults[place] for place in sorted(firsts_first[:FAULTS_MAX])]


def _add(taken: Submission, index: int, row: dict[str, Any], name: Namer) -> None:
    if "region" not in row:
        taken.faults.append(Fault(at=[index, "region"], message="Field required: the key names no region"))
        return
    if "play_id" not in row:
        row["play_id"] = name(index)
    try:
        # One level deeper than it is: its receipt must be able to say it back.
        value = orjson.dumps([row])[1:-1]
    except orjson.JSONEncodeError:
        taken.faults.append(Fault(at=[index], message="nested too deeply"))
        return
    if len(value) > PLAY_BYTES_MAX:
        taken.faults.append(Fault(at=[index], message=f"a play is at most {PLAY_BYTES_MAX} bytes"))
        return
    taken.records.append((row["track_id"].encode(), value))
    taken.play_ids.append(row["play_id"])


def _bounded(rows: list[Any]) -> list[Any]:
    if not rows:
        raise Problem(422, "no plays")
    if len(rows) > PLAYS_MAX:
        raise Problem(413, f"at most {PLAYS_MAX} plays")
    return rows
