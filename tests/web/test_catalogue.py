"""The catalogue over HTTP: who may edit, and what happens when two do."""

import asyncio
from urllib.parse import urlsplit

import pytest
from yarl import URL

from tests.web.conftest import Desk
from web.records import TrackKept, TrackNow

TRACK = {
    "track_id": "t/1",
    "title": "Eden",
    "artist": "Ann",
    "duration_ms": 1000,
    "release_date": "2020-02-29",
}


async def test_a_track_is_made_changed_and_deleted(desk: Desk) -> None:
    editor = desk.bearer("editor")
    async with desk.session.post("/v1/tracks", json=TRACK, headers=editor) as made:
        assert made.status == 201, await made.text()
        record = await made.json()
        TrackKept.model_validate(record)
        assert made.headers["ETag"] == '"1"'
    path = "/v1/tracks/t%2F1"
    async with desk.session.get(path, headers=desk.bearer("viewer")) as found:
        TrackNow.model_validate(await found.json())
        etag = found.headers["ETag"]
    async with desk.session.put(path, json={"title": "No"}, headers=editor) as blind:
        assert blind.status == 428
    async with desk.session.put(path, json={"title": "Éden"}, headers=editor | {"If-Match": etag}) as changed:
        assert changed.status == 200
        assert (await changed.json())["artist"] is None
        assert changed.headers["ETag"] == '"2"'
    for stale in (etag, '"9"', "nonsense", '"' + "9" * 40 + '"'):
        async with desk.session.put(path, json={"title": "x"}, headers=editor | {"If-Match": stale}) as late:
            assert late.status == 412
            assert late.content_type == "application/problem+json"
    async with desk.session.delete(path, headers=editor | {"If-Match": etag}) as late:
        assert late.status == 412
    async with desk.session.delete(path, headers=editor | {"If-Match": '"2"'}) as gone:
        assert gone.status == 204
    async with desk.session.delete(path, headers=editor | {"If-Match": "*"}) as twice:
        assert twice.status == 404


async def test_an_if_match_that_is_no_text_is_refused(desk: Desk) -> None:
    """A byte that is no UTF-8, which only a caller with a socket of their own can send."""
    for method, body in (("PUT", b'{"title": "x"}'), ("DELETE", b"")):
        head = [
            f"{method} /v1/tracks/t HTTP/1.1",
            "Host: site",
            "Connection: close",
            f"Content-Length: {len(body)}",
        ]
        head += ["Content-Type: application/json", f"Authorization: {desk.bearer('editor')['Authorization']}"]
        site = urlsplit(desk.address)
        reader, writer = await asyncio.open_connection(site.hostname, site.port)
        writer.write("\r\n".join([*head, "If-Match: "]).encode() + b"\xff\r\n\r\n" + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 412 "), answer
        assert b"application/problem+json" in answer


@pytest.mark.parametrize("track_id", ["plain", "a/b", "what?", "50%", "Beyoncé #1", "日本"])
async def test_what_was_made_is_where_location_says(desk: Desk, track_id: str) -> None:
    editor = desk.bearer("editor")
    body = {"track_id": track_id, "title": "Somewhere"}
    async with desk.session.post("/v1/tracks", json=body, headers=editor) as made:
        location = URL(made.headers["Location"], encoded=True)
    async with desk.session.get(URL(desk.address).join(location), headers=editor) as found:
        assert (found.status, (await found.json())["track_id"]) == (200, track_id)


@pytest.mark.parametrize("who", ["viewer", None])
async def test_only_editors_write(desk: Desk, who: str | None) -> None:
    headers = desk.bearer(who) if who else {}
    status = 403 if who else 401
    for method, path in (("POST", "/v1/tracks"), ("PUT", "/v1/artists/a"), ("DELETE", "/v1/albums/a")):
        async with desk.session.request(method, path, json={"title": "x"}, headers=headers) as refused:
            assert refused.status == status


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/tracks", {"title": ""}, 422),
        ("/v1/tracks", {"title": "x\u0000"}, 422),
        ("/v1/tracks", {"titel": "x"}, 422),
        ("/v1/tracks", {"title": "x" * 513}, 422),
        ("/v1/tracks", {"title": "x", "duration_ms": -1}, 422),
        ("/v1/tracks", {"title": "x", "duration_ms": 10**12}, 422),
        ("/v1/tracks", {"title": "x", "isrc": "nope"}, 422),
        ("/v1/tracks", {"title": "x", "cover_url": "javascript:alert(1)"}, 422),
        ("/v1/tracks", {"title": "x", "cover_url": "http://example.org/\u0000"}, 422),
        ("/v1/albums", {"title": "x", "cover_url": "http://example.org/\u007f"}, 422),
        ("/v1/tracks", {"title": "x", "release_date": "2023-02-30"}, 422),
        ("/v1/tracks", {"title": "x", "artist_id": "nobody"}, 400),
        ("/v1/albums", {"title": "x", "artist_id": "nobody"}, 400),
        ("/v1/artists", [], 422),
        ("/v1/artists", {"name": "Ann", "artist_id": "taken"}, 409),
    ],
)
async def test_bad_records_get_a_problem(desk: Desk, path: str, body: object, status: int) -> None:
    editor = desk.bearer("editor")
    async with desk.session.post(
        "/v1/artists", json={"name": "A", "artist_id": "taken"}, headers=editor
    ) as made:
        assert made.status == 201
    async with desk.session.post(path, json=body, headers=editor) as refused:
        assert refused.status == status, await refused.text()
        assert refused.content_type == "application/problem+json"


async def test_an_artists_tracks_and_albums_page_by_page(desk: Desk) -> None:
    editor = desk.bearer("editor")
    for n in range(5):
        body = {"track_id": f"t{n}", "title": f"T{n}", "artist": "Ann", "album": f"Album {n % 2}"}
        async with desk.session.post("/v1/tracks", json=body, headers=editor) as made:
            artist = (await made.json())["artist_id"]
    seen, after = [], ""
    while after is not None:
        query = {"limit": 2, "after": after}
        async with desk.session.get(f"/v1/artists/{artist}/tracks", params=query, headers=editor) as page:
            body = await page.json()
        seen += [item["track_id"] for item in body["items"]]
        after = body["next"]
    assert seen == [f"t{n}" for n in range(5)]
    async with desk.session.get(f"/v1/artists/{artist}/albums", headers=editor) as page:
        assert len((await page.json())["items"]) == 2


async def test_a_track_that_charted_has_a_name_without_the_catalogue(desk: Desk) -> None:
    """One that charts no more: the plays told its title, nobody has named it yet."""
    viewer = desk.bearer("viewer")
    async with desk.session.get("/v1/tracks/forgotten", headers=viewer) as before:
        assert before.status == 404
    await desk.database.execute(
        "INSERT INTO unknown_tracks (track_id, title, artist, plays) VALUES ('forgotten', 'Then', 'They', 3)"
    )
    async with desk.session.get("/v1/tracks/forgotten", headers=viewer) as found:
        assert await found.json() == {
            "track_id": "forgotten",
            "title": "Then",
            "artist": "They",
            "charts": [],
        }
