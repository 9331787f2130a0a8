"""ListenBrainz compatibility: every rule of its contract in a table, and a real client."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import liblistenbrainz
import orjson
import pytest
from aiohttp import ClientSession
from liblistenbrainz.errors import InvalidAuthTokenException, ListenBrainzAPIException

from charts.play import Play, decode_run
from charts.settings import Settings
from tests.web.conftest import Desk
from tests.web.fed_boards import FedBoards
from tests.web.test_plays import posting, read_log
from web.listens import BadListen, read_listen
from web.view import JSON

NOW = 1_700_000_000
MBID = "b1a9c0e9-d987-4042-ae91-78d6a3267d69"
Site = tuple[ClientSession, Settings]


def listen(at: Any = NOW, **info: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"artist_name": "Rick Astley", "track_name": "Never Gonna Give You Up"}
    return {"listened_at": at, "track_metadata": metadata | ({"additional_info": info} if info else {})}


def meta(**fields: Any) -> dict[str, Any]:
    """A listen whose metadata is changed; None takes a field away."""
    made = listen()
    made["track_metadata"] |= fields
    made["track_metadata"] = {key: value for key, value in made["track_metadata"].items() if value != "-"}
    return made


def single(*payload: Any, kind: Any = "single") -> dict[str, Any]:
    return {"listen_type": kind, "payload": list(payload)}


LOW = (
    "Value for key listened_at is too low. listened_at timestamp should be greater than "
    "1033410600 (2002-10-01 00:00:00 UTC)."
)
ONE = "JSON document contains more than listen for a single/playing_now. It should contain only one."
TOP = "Invalid JSON document submitted. Top level of JSON document should be a json object."
KEYS = "JSON document may only contain listened_at and track_metadata top level keys"
SIZE = "JSON document is too large. In aggregate, listens may not be larger than 10240 characters."
NOT_LIST = "The payload in the JSON document should be a list of listens."
DURATION = "Value for duration is invalid, should be a positive integer."
now_playing = {"track_metadata": listen()["track_metadata"]}

#: What is posted → the error text, or None where it is accepted.
DOCUMENTS: list[tuple[str, Any, str | None]] = [
    ("a listen", single(listen()), None),
    ("an import", single(listen(), listen(NOW - 60), kind="import"), None),
    ("a thousand", single(*[listen(NOW - n) for n in range(1000)], kind="import"), None),
    (
        "a thousand and one",
        single(*[listen()] * 1001, kind="import"),
        "Too many listens. You may not submit more than 1000 listens at once.",
    ),
    ("no object", [1], TOP),
    ("no payload", {"listen_type": "single"}, "Invalid JSON document submitted."),
    ("a payload that is no list", {"listen_type": "single", "payload": {}}, NOT_LIST),
    ("an empty payload", single(), "JSON document does not contain any listens"),
    ("no type", {"payload": [listen()]}, "Invalid JSON document submitted."),
    ("an unknown type", single(listen(), kind="double"), "JSON document requires a valid listen_type key."),
    ("a type that is no text", single(listen(), kind=[]), "JSON document requires a valid listen_type key."),
    ("two as single", single(listen(), listen()), ONE),
    ("two playing now", single(now_playing, now_playing, kind="playing_now"), ONE),
    ("a listen too large", single(listen(note="x" * 10_240)), SIZE),
    ("one large among small", single(listen(note="x" * 12_000), listen(NOW - 1), kind="import"), None),
    ("the size before the type", single(listen(note="x" * 10_240), kind="double"), SIZE),
    ("null", single(None), "Listen is empty and cannot be validated."),
    ("a listen that is no object", single(5), "Listen must be a JSON object."),
    ("no time", single(now_playing), "JSON document must contain the key listened_at at the top level."),
    ("a time in words", single(listen("noon")), "JSON document must contain an int value for listened_at."),
    ("a time of null", single(listen(None)), "JSON document must contain an int value for listened_at."),
    ("a time as text", single(listen(str(NOW))), None),
    ("an hour ahead", single(listen(NOW + 3600)), "Value for key listened_at is too high."),
    ("just under an hour ahead", single(listen(NOW + 3599)), None),
    ("nanoseconds", single(listen(NOW * 10**9)), "Value for key listened_at is too high."),
    ("before scrobbling began", single(listen(1_033_430_399)), LOW),
    ("when scrobbling began", single(listen(1_033_430_400)), None),
    (
        "no metadata",
        single({"listened_at": NOW}),
        "JSON document must contain the key track_metadata at the top level.",
    ),
    (
        "metadata of null",
        single({"listened_at": NOW, "track_metadata": None}),
        "JSON document may not have track_metadata with null value.",
    ),
    (
        "metadata that is no object",
        single({"listened_at": NOW, "track_metadata": 5}),
        "track_metadata must be a JSON object.",
    ),
    ("another key", single(listen() | {"user": 1}), KEYS),
    (
        "no artist",
        single(meta(artist_name="-")),
        "JSON document does not contain required field track_metadata.artist_name.",
    ),
    (
        "no title",
        single(meta(track_name="-")),
        "JSON document does not contain required field track_metadata.track_name.",
    ),
    (
        "artists in a list",
        single(meta(artist_name=["a"])),
        "track_metadata.artist_name must be a single string.",
    ),
    ("a title of null", single(meta(track_name=None)), "track_metadata.track_name must be a single string."),
    ("an empty title", single(meta(track_name=" ")), "field track_metadata.track_name is empty."),
    (
        "the title before the artist",
        single(meta(track_name="", artist_name="")),
        "field track_metadata.track_name is empty.",
    ),
    ("an empty release", single(meta(release_name=" ")), None),
    (
        "a release that is no text",
        single(meta(release_name=7)),
        "track_metadata.release_name must be a single string.",
    ),
    ("info as PHP writes it", single(meta(additional_info=[])), None),
    ("info of null", single(meta(additional_info=None)), None),
    (
        "info in words",
        single(meta(additional_info="x")),
        "track_metadata.additional_info must be a JSON object.",
    ),
    ("fifty tags", single(listen(tags=["x" * 64] * 50)), None),
    (
        "fifty-one tags",
        single(listen(tags=["x"] * 51)),
        "JSON document may not contain more than 50 items in track_metadata.additional_info.tags.",
    ),
    (
        "a long tag",
        single(listen(tags=["x" * 65])),
        "JSON document may not contain track_metadata.additional_info.tags longer than 64 characters.",
    ),
    (
        "tags of numbers",
        single(listen(tags=[1])),
        "track_metadata.additional_info.tags must be a list of strings.",
    ),
    (
        "two durations",
        single(listen(duration=1, duration_ms=1000)),
        "JSON document should not contain both duration and duration_ms.",
    ),
    ("a duration as text", single(listen(duration="233")), None),
    ("a duration of nothing", single(listen(duration=0)), DURATION),
    ("a negative duration", single(listen(duration=-1)), DURATION),
    ("a duration in words", single(listen(duration="long")), DURATION),
    ("a duration of null", single(listen(duration=None)), DURATION),
    ("24 days", single(listen(duration=2_073_600)), None),
    (
        "over 24 days",
        single(listen(duration=2_073_601)),
        "Value for duration is too large, max permitted value is 2073600",
    ),
    (
        "over 24 days in ms",
        single(listen(duration_ms=2_073_600_001)),
        "Value for duration_ms is too large, max permitted value is 2073600000",
    ),
    ("MBIDs", single(listen(recording_mbid=MBID, artist_mbids=[MBID, "", None])), None),
    (
        "empty MBIDs",
        single(listen(recording_mbid="", release_mbid=None, artist_mbids=[], work_mbids=None)),
        None,
    ),
    *[
        (f"a bad {key}", single(listen(**{key: "x"})), f"{key} MBID format invalid.")
        for key in ("recording_mbid", "release_mbid", "release_group_mbid", "track_mbid")
    ],
    *[
        (f"a bad one of {key}", single(listen(**{key: [MBID, "x"]})), f"{key} MBID format invalid.")
        for key in ("artist_mbids", "work_mbids")
    ],
    ("an MBID that is a number", single(listen(recording_mbid=5)), "recording_mbid MBID format invalid."),
    ("MBIDs that are a number", single(listen(artist_mbids=5)), "artist_mbids MBID format invalid."),
    ("a null character", single(meta(track_name="a\0b")), "a\0b contains a unicode null"),
    ("a null character deep down", single(listen(x={"y": ["z\0"]})), "z\0 contains a unicode null"),
    ("playing now", single(now_playing, kind="playing_now"), None),
    (
        "playing now at a time",
        single(listen(), kind="playing_now"),
        "JSON document must not contain listened_at while submitting playing_now.",
    ),
    (
        "playing now and more",
        single(now_playing | {"x": 1}, kind="playing_now"),
        "JSON document may only contain track_metadata as top level key when submitting playing_now.",
    ),
]


@pytest.fixture
async def posted(desk: Desk, boards: FedBoards, kafka: str, topic_name: str) -> AsyncIterator[Site]:
    async with posting(desk, boards, kafka, topic_name.rsplit("-", 1)[1]) as site:
        yield site


@pytest.mark.parametrize("mount", ["", "/apis/listenbrainz"])
async def test_every_rule_of_the_document(posted: Site, mount: str, monkeypatch: pytest.MonkeyPatch) -> None:
    session, settings = posted
    monkeypatch.setattr("web.listenbrainz.time.time", lambda: float(NOW))
    expected = set()
    for name, document, error in DOCUMENTS:
        async with session.post(f"{mount}/1/submit-listens", data=orjson.dumps(document)) as response:
            body = await response.json()
        if error is None:
            assert (response.status, body) == (200, {"status": "ok"}), name
            if document["listen_type"] != "playing_now":
                expected |= {
                    read_listen(one, "import", NOW).play("editor", "DE").play_id
                    for one in document["payload"]
                }
        else:
            assert (response.status, body["code"], body["error"]) == (400, 400, error), name
    found = await read_log(settings)
    assert {value["play_id"] for _, _, value in found} == expected


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        ({}, 401, "You need to provide an Authorization header."),
        ({"Authorization": "Token"}, 401, "Provided Authorization header is invalid."),
        ({"Authorization": "Token lck_000000000000_" + "x" * 43}, 401, "Invalid authorization token."),
        ({"Authorization": "Token nonsense"}, 401, "Invalid authorization token."),
    ],
)
async def test_the_token_comes_first(desk: Desk, headers: dict[str, str], status: int, error: str) -> None:
    async with desk.session.post("/1/submit-listens", data=b"{not JSON", headers=headers) as response:
        assert (response.status, await response.json()) == (status, {"code": status, "error": error})
        assert response.content_type == JSON


@pytest.mark.parametrize("scheme", ["Token", "token", "Bearer", "anything"])
async def test_the_scheme_is_not_looked_at(posted: Site, desk: Desk, scheme: str) -> None:
    session, _ = posted
    headers = {"Authorization": f"{scheme} {desk.key}"}
    data = orjson.dumps(single(listen()))
    async with session.post("/1/submit-listens", data=data, headers=headers) as response:
        assert response.status == 200


async def test_a_bad_listen_is_said_back(posted: Site) -> None:
    session, settings = posted
    document = single(listen(), listen(1), listen(2), kind="import")
    async with session.post("/1/submit-listens", json=document) as response:
        assert await response.json() == listen(1) | {"code": 400, "error": LOW}
    async with session.post("/1/submit-listens?explain=true", json=document) as response:
        body = await response.json()
    assert [bad["index"] for bad in body["listens"]] == [1, 2]
    assert await read_log(settings) == []


async def test_bodies_that_are_no_document(posted: Site) -> None:
    session, _ = posted
    async with session.post("/1/submit-listens", data=b"{not JSON") as response:
        assert (response.status, (await response.json())["error"][:28]) == (
            400,
            "Cannot parse JSON document: ",
        )
    deep = (
        b'{"listen_type":"single","payload":[{"listened_at":1700000000,"track_metadata":{"track_name":"a","artist_name":"b","additional_info":{"x":'
        + b"[" * 900
        + b"]" * 900
        + b"}}}]}"
    )
    async with session.post("/1/submit-listens", data=deep) as response:
        assert (response.status, (await response.json())["error"]) == (400, "Listen is nested too deeply.")


async def test_a_body_past_every_bound_is_a_400(posted: Site) -> None:
    import io

    session, _ = posted
    async with session.post("/1/submit-listens", data=io.BytesIO(b" " * 10_240_001)) as response:
        body = await response.json()
    assert (response.status, body["error"]) == (
        400,
        "Payload too large. Payload cannot exceed 10240000 bytes",
    )


async def test_without_kafka_a_listen_is_refused_in_the_same_shape(desk: Desk) -> None:
    """This site has no way to Kafka; what is playing now needs none."""
    async with desk.session.post("/1/submit-listens", json=single(listen()), headers=desk.ingest) as response:
        body = await response.json()
        assert (response.status, body["code"], response.content_type) == (503, 503, JSON)
        assert body.keys() == {"code", "error"}
        assert response.headers["Retry-After"] == "2"
    document = single(now_playing, kind="playing_now")
    async with desk.session.post("/1/submit-listens", json=document, headers=desk.ingest) as response:
        assert response.status == 200


async def test_validate_token(desk: Desk) -> None:
    url = "/1/validate-token"
    valid = {"code": 200, "message": "Token valid.", "valid": True, "user_name": "editor"}
    for headers in ({"Authorization": f"Token {desk.key}"}, {"Authorization": f"tOkEn {desk.key}"}):
        async with desk.session.get(url, headers=headers) as response:
            assert (response.status, await response.json()) == (200, valid)
    async with desk.session.get(url, params={"token": desk.key}) as response:
        assert await response.json() == valid
    async with desk.session.get(url, params={"token": "nonsense"}) as response:
        assert (response.status, await response.json()) == (
            200,
            {"code": 200, "message": "Token invalid.", "valid": False},
        )
    async with desk.session.get(url) as response:
        assert (response.status, (await response.json())["error"]) == (
            400,
            "You need to provide an Authorization token.",
        )


async def test_latest_import_only_grows(desk: Desk) -> None:
    url, headers = "/apis/listenbrainz/1/latest-import", desk.ingest
    for moment, kept in ((500, 500), (400, 500), (600, 600)):
        async with desk.session.post(url, json={"ts": moment}, headers=headers) as response:
            assert (response.status, await response.json()) == (200, {"status": "ok"})
        async with desk.session.get(url, params={"user_name": "editor"}, headers=headers) as response:
            assert await response.json() == {"musicbrainz_id": "editor", "latest_import": kept}
    async with desk.session.get(url, params={"user_name": "nobody"}, headers=headers) as response:
        assert (response.status, (await response.json())["error"]) == (404, "Cannot find user: nobody")
    for bad in (b"{", b"[]", b'{"ts": "soon"}', b'{"ts": -1}'):
        async with desk.session.post(url, data=bad, headers=headers) as response:
            assert (response.status, (await response.json())["error"]) == (400, "Invalid data sent")


async def test_playing_now_has_an_id_where_asked(posted: Site) -> None:
    session, settings = posted
    document = single(now_playing, kind="playing_now")
    async with session.post("/1/submit-listens?return_msid=true", json=document) as response:
        body = await response.json()
    assert body["status"] == "ok"
    assert len(body["recording_msid"]) == 36
    assert await read_log(settings) == []


async def test_the_limit_is_told_in_listenbrainz_s_words(desk: Desk, boards: FedBoards) -> None:
    from tests.web.conftest import serving
    from web.services import Services

    settings = desk.settings.model_copy(update={"rate_ingest": 0.1})
    services = Services(settings=settings, boards=boards, database=desk.database)
    async with serving(services) as address, ClientSession(address, headers=desk.ingest) as session:
        for remaining in range(9, -1, -1):
            async with session.post(
                "/1/submit-listens", data=b"{", headers={"Origin": "https://x"}
            ) as response:
                assert int(response.headers["X-RateLimit-Remaining"]) == remaining
                assert response.headers["X-RateLimit-Limit"] == "10"
                assert response.headers["Access-Control-Allow-Origin"] == "*"
                assert abs(int(response.headers["X-RateLimit-Reset"]) - time.time()) < 200
        async with session.post("/1/submit-listens", data=b"{") as response:
            assert (response.status, response.content_type) == (429, "text/plain")
            assert 1 <= int(response.headers["X-RateLimit-Reset-In"]) <= 10


async def test_the_real_client(posted: Site, desk: Desk) -> None:
    session, settings = posted
    client = liblistenbrainz.ListenBrainz(api_base_url=str(session._base_url))
    await asyncio.to_thread(client.set_auth_token, desk.key)
    at = int(time.time()) - 600
    first = liblistenbrainz.Listen(
        "Never Gonna Give You Up",
        "Rick Astley",
        listened_at=at,
        release_name="Whenever You Need Somebody",
        recording_mbid=MBID,
        tags=["pop"],
        tracknumber=1,
        additional_info={"duration_ms": 213_000},
    )
    others = [liblistenbrainz.Listen(f"Song {n}", "Somebody", listened_at=at - n) for n in range(1, 30)]
    for _ in range(2):
        assert await asyncio.to_thread(client.submit_single_listen, first) == {"status": "ok"}
        assert await asyncio.to_thread(client.submit_multiple_listens, others) == {"status": "ok"}
    await asyncio.to_thread(client.submit_playing_now, liblistenbrainz.Listen("Now", "Somebody"))
    found = [value for _, _, value in await read_log(settings)]
    assert len(found) == 60
    assert len({(value["track_id"], value["play_id"]) for value in found}) == 30
    [rick] = {value["play_id"]: value for value in found if value["artist"] == "Rick Astley"}.values()
    assert (rick["track_id"], rick["ms_played"], rick["region"]) == (f"mbid:{MBID}", 213_000, "DE")
    assert (rick["user_id"], rick["album"]) == ("editor", "Whenever You Need Somebody")
    with pytest.raises(ListenBrainzAPIException) as caught:
        await asyncio.to_thread(
            client.submit_single_listen, liblistenbrainz.Listen("Old", "Man", listened_at=1)
        )
    assert (caught.value.status_code, caught.value.message) == (400, LOW)
    with pytest.raises(InvalidAuthTokenException):
        await asyncio.to_thread(client.set_auth_token, "nonsense")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (meta(artist_name="Beyoncé"), meta(artist_name=" BEYONCE "), True),
        (meta(artist_name="AC/DC"), meta(artist_name="ac dc"), True),
        (meta(track_name="Halo"), meta(track_name="Hello"), False),
        (meta(artist_name="a b", track_name="c"), meta(artist_name="a", track_name="b c"), False),
        (meta(artist_name="!!!"), meta(artist_name="???"), False),
        (listen(isrc="GB-AYE-87-00092"), listen(isrc="gbaye8700092"), True),
        (listen(recording_mbid=MBID), listen(recording_mbid=MBID.upper(), isrc="GBAYE8700092"), True),
        (listen(isrc="nonsense"), listen(), True),
    ],
)
def test_the_same_recording_is_the_same_track(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    first, second = (read_listen(value, "single", NOW).track_id for value in (one, other))
    assert (first == second) is same


@pytest.mark.parametrize(
    ("info", "ms_played"),
    [
        ({}, 30_000),
        ({"duration": 200}, 200_000),
        ({"duration_ms": 200_500}, 200_500),
        ({"duration_played": 42, "duration": 200}, 42_000),
        ({"duration_played": "12.5"}, 12_500),
        ({"duration_played": "a while", "duration": 200}, 200_000),
        ({"duration_played": -3}, 30_000),
    ],
)
def test_how_long_was_listened(info: dict[str, Any], ms_played: int) -> None:
    play = read_listen(listen(**info), "single", NOW).play("nina", None)
    assert (play.ms_played, play.region) == (ms_played, "ZZ")
    assert decode_run([play.encode()]).good.all()
    assert Play.decode(play.encode()).play_id == play.play_id


def test_a_bad_listen_is_never_anything_else() -> None:
    with pytest.raises(BadListen):
        read_listen(listen(float("inf")), "single", NOW)
