"""External charts into the history: by hand, from an address, on a schedule."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp.web import Application, AppRunner, Request, Response, TCPSite
from click.testing import CliRunner, Result

from charts.errors import BadRequest, Unreachable
from charts.settings import settings
from charts.window import Window, rfc3339
from tables.archive import Archive
from tables.commands import import_chart_command
from tables.external import fetch, import_chart, import_due, schedule
from tables.postgres import Database
from tests.charts.test_external import APPLE, DAY, SPOTIFY


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A publisher's server."""

    async def answer(request: Request) -> Response:
        if request.path == "/apple":
            return Response(body=APPLE)
        return Response(body=b"x" * (9 << 20)) if request.path == "/large" else Response(status=500)

    application = Application()
    application.router.add_get("/{path:.*}", answer)
    runner = AppRunner(application, access_log=None)
    await runner.setup()
    await TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def test_a_chart_again_is_nothing_new_and_another_a_revision(database: Database) -> None:
    place = {"region": "SE", "window": DAY, "source": "spotify"}
    first = await import_chart(database, SPOTIFY, "spotify", **place)
    assert first is not None
    assert first.revision == 0
    assert await import_chart(database, SPOTIFY, "spotify", **place) is None
    changed = await import_chart(database, SPOTIFY.replace(b",1200", b",1201"), "spotify", **place)
    assert changed is not None
    assert changed.revision == 1
    stored = await Archive(database).chart("SE", DAY, source="spotify")
    assert stored == changed
    # An Apple feed says no trends: they follow from the charts we have of it.
    await import_chart(database, APPLE, "apple", region=None, window=DAY, source="apple")
    await import_chart(database, APPLE, "apple", region=None, window=DAY.next, source="apple")
    apple = await Archive(database).chart("SE", DAY.next, source="apple")
    assert apple is not None
    assert [(e.movement, e.windows_on_chart) for e in apple.entries] == [("same", 2), ("same", 2)]


async def test_addresses(address: str, tmp_path: Path) -> None:
    sheet = tmp_path / "chart.csv"
    sheet.write_bytes(SPOTIFY)
    assert await fetch(str(sheet)) == await fetch(f"file://{sheet}") == SPOTIFY
    assert await fetch(f"{address}/apple") == APPLE
    with pytest.raises(Unreachable, match="status 500"):
        await fetch(f"{address}/broken")
    with pytest.raises(BadRequest, match="no chart"):
        await fetch(f"{address}/large")
    with pytest.raises(Unreachable):
        await fetch("http://127.0.0.1:1/")
    with pytest.raises(BadRequest, match="No such file"):
        await fetch(str(tmp_path / "none"))


async def test_a_schedule_imports_what_is_due_and_notes_what_failed(database: Database, address: str) -> None:
    await schedule(database, "apple", "SE", "day", form="apple", address=f"{address}/apple", every_s=60)
    await schedule(database, "gone", "SE", "day", form="apple", address=f"{address}/broken", every_s=60)
    assert await import_due(database, DAY.start + 5) == 2
    assert await import_due(database, DAY.start + 5) == 0
    rows = await database.fetch("SELECT source, outcome FROM chart_imports ORDER BY source")
    assert rows[0]["outcome"] == "revision 0"
    assert "status 500" in rows[1]["outcome"]
    assert await Archive(database).chart("SE", DAY, source="apple") is not None
    await database.execute("UPDATE chart_imports SET tried_at = now() - interval '2 minutes'")
    assert await import_due(database, DAY.start + 6) == 2
    rows = await database.fetch("SELECT outcome FROM chart_imports ORDER BY source")
    assert rows[0]["outcome"] == "nothing new"


async def test_an_import_cut_off_is_due_still(
    database: Database, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in ("apple", "orange"):
        await schedule(database, source, "SE", "day", form="apple", address=f"{address}/apple", every_s=60)

    async def cut_off(address: str) -> bytes:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch, pytest.raises(asyncio.CancelledError):
        patch.setattr("tables.external.fetch", cut_off)
        await import_due(database, DAY.start + 5)
    assert await import_due(database, DAY.start + 5) == 2


@pytest.fixture
def charts(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    monkeypatch.setenv("CHARTS_POSTGRES_URL", database_url)
    settings.cache_clear()
    yield CliRunner()
    settings.cache_clear()


def test_the_command(charts: CliRunner, tmp_path: Path) -> None:
    sheet, feed = tmp_path / "chart.csv", tmp_path / "feed.json"
    sheet.write_bytes(SPOTIFY)
    feed.write_bytes(APPLE)

    def run(*words: str) -> Result:
        return charts.invoke(import_chart_command, words)

    at = rfc3339(DAY.start)
    outcome = run(str(sheet), "--region", "SE", "--at", at)
    assert outcome.output == f"spotify day {at}: revision 0, 4 entries\n"
    assert run(str(sheet), "--region", "SE", "--at", at).output.endswith("nothing new\n")
    outcome = run(str(feed), "--every", "3600")
    assert outcome.output.endswith("revision 0, 2 entries; again every 3600 s\n")
    assert run(str(feed), "--never", "--region", "SE", "--source", "apple").output == "scheduled no more\n"
    for words in (
        [str(sheet)],
        [str(sheet), "--region", "sweden"],
        [str(sheet), "--region", "SE", "--source", "livecharts"],
        [str(sheet), "--region", "SE", "--source", "Bad One"],
        [str(sheet), "--region", "SE", "--at", "yesterday"],
        [str(tmp_path / "none")],
    ):
        assert isinstance(run(*words).exception, BadRequest), words
    assert Window.at("day", DAY.start) == DAY
