"""Charts over HTTP: shape, limits, formats, ETag."""

import csv
import io

import pytest
from aiohttp import ClientSession

from tests.web.fed_boards import HOUR, FedBoards
from web.shapes import ChartList, ChartShape


async def test_a_chart_has_the_documented_shape(client: ClientSession) -> None:
    async with client.get("/v1/charts/DE/hour") as response:
        body = await response.json()
    assert response.status == 200
    ChartShape.model_validate(body, strict=True)
    assert set(body) == set(ChartShape.model_fields)
    assert [(entry["rank"], entry["track_id"], entry["plays"]) for entry in body["entries"]] == [
        (1, "a", 3),
        (2, "b", 3),
        (3, "c", 1),
    ]


async def test_all_of_v1_is_also_under_api(client: ClientSession) -> None:
    async with client.get("/api/v1/charts/DE/hour") as api, client.get("/v1/charts/DE/hour") as plain:
        assert api.status == 200
        assert api.headers["ETag"] == plain.headers["ETag"]


@pytest.mark.parametrize(("query", "entries"), [("", 100), ("?limit=1", 1), ("?limit=1000", 150)])
async def test_the_limit_bounds_the_entries(client: ClientSession, query: str, entries: int) -> None:
    async with client.get(f"/v1/charts/global/hour{query}") as response:
        body = await response.json()
    assert len(body["entries"]) == entries
    assert body["tracks"] == 150


async def test_the_same_chart_is_sent_once(client: ClientSession, boards: FedBoards) -> None:
    async with client.get("/v1/charts/DE/hour") as first:
        etag = first.headers["ETag"]
    async with client.get("/v1/charts/DE/hour", headers={"If-None-Match": f"W/{etag}"}) as again:
        assert again.status == 304
        assert await again.read() == b""
    boards.put("DE", HOUR, {"b": 4, "a": 3, "c": 1})
    async with client.get("/v1/charts/DE/hour", headers={"If-None-Match": etag}) as moved:
        assert moved.status == 200
        assert moved.headers["ETag"] != etag
        assert (await moved.json())["entries"][0]["track_id"] == "b"


async def test_csv_holds_the_rows_of_the_json(client: ClientSession) -> None:
    async with client.get("/v1/charts/global/hour?format=csv&limit=7") as response:
        assert response.content_type == "text/csv"
        rows = list(csv.DictReader(io.StringIO(await response.text())))
    async with client.get("/v1/charts/global/hour?limit=7") as response:
        entries = (await response.json())["entries"]
    assert [(row["rank"], row["track_id"], row["plays"]) for row in rows] == [
        (str(entry["rank"]), entry["track_id"], str(entry["plays"])) for entry in entries
    ]


async def test_a_region_without_plays_this_hour_has_an_empty_chart(client: ClientSession) -> None:
    async with client.get("/v1/charts/SE/hour") as response:
        body = await response.json()
    assert (response.status, body["plays"], body["entries"], body["status"]) == (200, 0, [], "open")
    async with client.get("/v1/charts/SE/hour?at=2026-11-21T13:59:59Z") as before:
        assert (await before.json())["plays"] == 3


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/charts/XX/hour", 404),
        ("/v1/charts/de/hour", 400),
        ("/v1/charts/DE/minute", 400),
        ("/v1/charts/DE/hour?limit=0", 400),
        ("/v1/charts/DE/hour?limit=-1", 400),
        ("/v1/charts/DE/hour?limit=1000000000", 400),
        ("/v1/charts/DE/hour?limit=5&limit=6", 400),
        ("/v1/charts/DE/hour?at=yesterday", 400),
        ("/v1/charts/DE/hour?at=2026-11-21T14:00:00", 400),
        ("/v1/charts/DE/hour?formt=csv", 400),
        ("/v1/charts/DE/week", 503),
        ("/v1/nothing", 404),
        ("/v1/charts/", 404),
    ],
)
async def test_what_makes_no_sense_is_a_problem(client: ClientSession, path: str, status: int) -> None:
    async with client.get(path) as response:
        body = await response.json(content_type="application/problem+json")
    assert (response.status, body["status"], body["request_id"]) == (
        status,
        status,
        response.headers["X-Request-ID"],
    )


async def test_a_wrong_parameter_is_named(client: ClientSession) -> None:
    async with client.get("/v1/charts/DE/hour?limit=0&format=xml") as response:
        body = await response.json(content_type=None)
    assert [fault["at"] for fault in body["errors"]] == [["limit"], ["format"]]


async def test_the_list_names_every_chart(client: ClientSession) -> None:
    async with client.get("/v1/charts") as response:
        body = await response.json()
    ChartList.model_validate(body, strict=True)
    assert body["regions"] == ["global", "DE", "SE"]
    assert {(one["region"], one["window"], one["status"]) for one in body["charts"]} == {
        ("global", "hour", "open"),
        ("global", "day", "open"),
        ("DE", "hour", "open"),
        ("SE", "hour", "closing"),
    }


async def test_unread_boards_are_a_503(client: ClientSession, boards: FedBoards) -> None:
    boards.ready = False
    for path in ("/v1/charts", "/v1/charts/DE/hour", "/v1/ledger", "/ready"):
        async with client.get(path) as response:
            assert (response.status, "Retry-After" in response.headers) == (503, True)
