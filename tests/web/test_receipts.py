"""Receipts asked for from worker to worker."""

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from charts.verdict import Verdict
from web.receipts import ReceiptAsked, _ask


@pytest.mark.parametrize("name", ["a/b", "a?b#c", "50%41", "..", ".", "ü ö", "a+b&track_id=x", "plain"])
async def test_another_worker_is_asked_for_the_very_play(name: str) -> None:
    asked: list[tuple[str, str]] = []

    async def receipt(request: web.Request) -> web.Response:
        asked.append((request.match_info["play_id"], request.query["track_id"]))
        return web.json_response({"records": [{"partition": 1, "offset": 2, "verdict": "counted"}]})

    app = web.Application()
    app.router.add_get("/v1/plays/{play_id}", receipt)
    async with TestServer(app) as server, ClientSession() as session:
        owner = str(server.make_url("")).rstrip("/")
        found = await _ask(session, owner, ReceiptAsked(play_id=name, track_id=name))
    assert asked == [(name, name)]
    assert found == [(1, 2, Verdict.counted)]
