"""The catalogue: edits that meet, names that follow, and what the search finds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from charts.errors import BadRequest, Conflict, NotFound
from charts.window import DAY_MS, Window
from tables.catalogue import Catalogue
from tables.history import History
from tables.names import Names
from tables.popularity import refresh_popularity
from tables.postgres import Connection, Database
from tables.search import Search
from tests.agents.moving_boards import MovingBoards
from tests.tables.blocked import until_blocked
from tests.tables.made import made_chart

START = 1_700_006_400_000


async def test_a_record_lives_and_dies(database: Database) -> None:
    catalogue = Catalogue(database)
    made = await catalogue.create(
        "tracks", {"track_id": "t", "title": "Éden", "artist": "Ann", "album": "One"}
    )
    assert (made["artist"], made["album"], made["revision"]) == ("Ann", "One", 1)
    with pytest.raises(Conflict):
        await catalogue.create("tracks", {"track_id": "t", "title": "Other"})
    changed = await catalogue.update("tracks", "t", {"title": "Eden", "artist_id": made["artist_id"]}, 1)
    assert (changed["title"], changed["album"], changed["revision"]) == ("Eden", None, 2)
    with pytest.raises(Conflict, match="revision 2"):
        await catalogue.update("tracks", "t", {"title": "Mine"}, 1)
    with pytest.raises(Conflict):
        await catalogue.delete("tracks", "t", 1)
    await catalogue.delete("tracks", "t", 2)
    with pytest.raises(NotFound):
        await catalogue.get("tracks", "t")
    with pytest.raises(NotFound):
        await catalogue.delete("tracks", "t", None)
    with pytest.raises(BadRequest, match="nobody"):
        await catalogue.create("tracks", {"track_id": "x", "title": "X", "artist_id": "nobody"})


@pytest.mark.parametrize("faster", ["UPDATE tracks SET revision = revision + 1", "DELETE FROM tracks"])
async def test_an_edit_answers_with_what_it_wrote(
    database: Database, monkeypatch: pytest.MonkeyPatch, faster: str
) -> None:
    """Somebody else's edit right after it is in no answer of ours."""
    transaction = database.transaction

    @asynccontextmanager
    async def overtaken() -> AsyncIterator[Connection]:
        async with transaction() as connection:
            yield connection
        await database.execute(faster)

    catalogue = Catalogue(database)
    await catalogue.create("tracks", {"track_id": "old", "title": "Old"})
    monkeypatch.setattr(database, "transaction", overtaken)
    changed = await catalogue.update("tracks", "old", {"title": "New", "artist": "Ann"}, 1)
    assert (changed["title"], changed["artist"], changed["revision"]) == ("New", "Ann", 2)
    made = await catalogue.create("tracks", {"track_id": "t", "title": "T"})
    assert (made["title"], made["revision"]) == ("T", 1)


async def test_of_many_editors_at_once_one_wins(database: Database) -> None:
    catalogue = Catalogue(database)
    await catalogue.create("artists", {"artist_id": "a", "name": "Ann"})
    edits = [catalogue.update("artists", "a", {"name": f"Ann {n}"}, 1) for n in range(8)]
    outcomes = await asyncio.gather(*edits, return_exceptions=True)
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7
    assert (await catalogue.get("artists", "a"))["revision"] == 2


async def test_tracks_of_a_new_artist_made_at_once_share_it(database: Database) -> None:
    catalogue = Catalogue(database)
    tracks = [{"track_id": f"t{n}", "title": "T", "artist": "Ann", "album": "One"} for n in range(8)]
    made = await asyncio.gather(*(catalogue.create("tracks", track) for track in tracks))
    assert len({track["artist_id"] for track in made}) == 1
    assert await database.fetchval("SELECT count(*) FROM albums") == 1


async def test_pages_hold_every_record_once(database: Database) -> None:
    catalogue = Catalogue(database)
    for n in range(25):
        await catalogue.create("tracks", {"track_id": f"t{n:02}", "title": "T", "artist": f"A{n % 2}"})
    seen, after = [], ""
    while True:
        page = await catalogue.page("tracks", after, 10)
        seen += [item["track_id"] for item in page.items]
        if page.next is None:
            break
        after = page.next
    assert seen == [f"t{n:02}" for n in range(25)]
    artist = (await catalogue.get("tracks", "t01"))["artist_id"]
    assert len((await catalogue.page("tracks", "", 100, artist)).items) == 12
    assert len((await catalogue.page("albums", "", 100, artist)).items) == 0


async def test_unknown_tracks_are_listed_until_somebody_names_them(database: Database) -> None:
    catalogue = Catalogue(database)
    chart = made_chart(Window("hour", START))
    await History(database).write_final([chart])
    unknown = await catalogue.unknown("", 100)
    assert {item["track_id"] for item in unknown.items} == {entry.track_id for entry in chart.entries}
    await catalogue.create("tracks", {"track_id": chart.entries[0].track_id, "title": "Known"})
    assert len((await catalogue.unknown("", 100)).items) == len(chart.entries) - 1


async def test_a_track_named_while_its_chart_is_collected_is_not_unknown(database: Database) -> None:
    catalogue, chart = Catalogue(database), made_chart(Window("hour", START))
    first, *_, last = sorted(entry.track_id for entry in chart.entries)
    async with database.transaction() as holding:
        await holding.execute("INSERT INTO unknown_tracks (track_id, plays) VALUES ($1, 0)", first)
        # It has looked which tracks are unknown, and waits to say so of the first.
        writing = asyncio.create_task(History(database).write_final([chart]))
        await until_blocked(database)
        await catalogue.create("tracks", {"track_id": last, "title": "Known"})
    await writing
    assert last not in {item["track_id"] for item in (await catalogue.unknown("", 100)).items}


async def test_names_follow_the_catalogue(database: Database) -> None:
    catalogue, names = Catalogue(database), Names(database)
    boards = MovingBoards(START, ["US"], seed=1)
    boards.move(START + DAY_MS)
    chart = boards.truth("US", Window("hour", START))
    track = chart.entries[0].track_id
    assert names.name(chart).entries[0].title == f"said {track}"
    await catalogue.create("tracks", {"track_id": track, "title": "Known", "artist": "Ann"})
    await names.refresh()
    assert (names.name(chart).entries[0].title, names.name(chart).entries[0].artist) == ("Known", "Ann")
    assert names.name(chart).entries[1].title == chart.entries[1].title
    artist = (await catalogue.get("tracks", track))["artist_id"]
    version = names.version
    await catalogue.update("artists", artist, {"name": "Anna"}, None)
    await names.refresh(everything=True)
    assert names.name(chart).entries[0].artist == "Anna"
    assert names.version > version


SONGS = [
    ("t1", "Yesterday", "The Beatles", "Help!"),
    ("t2", "Yesterday Once More", "Carpenters", "Now & Then"),
    ("t3", "Halo", "Beyoncé", "I Am…"),
    ("t4", "Helter Skelter", "The Beatles", "White Album"),
    ("t5", "Don't Stop", "Fleetwood Mac", "Rumours"),
    ("t6", "Halo", "Depeche Mode", "Violator"),
    ("t7", "Größenwahn", "Falco", None),
    ("t8", "Привет", "Кино", None),
]


@pytest.fixture
async def search(database: Database) -> Search:
    catalogue = Catalogue(database)
    for track_id, title, artist, album in SONGS:
        record = {"track_id": track_id, "title": title, "artist": artist, "album": album}
        await catalogue.create("tracks", record)
    return Search(database)


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("yesterday", "t1"),
        ("YESTERDAY", "t1"),
        ("beatles yesterday", "t1"),
        ("yesterday beatles", "t1"),
        ("yestreday", "t1"),
        ("yesteday beatels", "t1"),
        ("yesterday once", "t2"),
        ("beyonce halo", "t3"),
        ("Beyoncé", "Beyoncé"),
        ("beyonse", "Beyoncé"),
        ("dont stop", "t5"),
        ("don’t stop", "t5"),
        ("grossenwahn", "t7"),
        ("ПРИВЕТ", "t8"),
        ("privet", None),
        ("white album", "White Album"),
        ("helter ske", "t4"),
        ("'); DROP TABLE tracks; --", None),
        ("a & b | !c <-> (d):*", None),
        ("\\", None),
        ("!!!", None),
        ("x" * 5000, None),
        ("w " * 500, None),
    ],
)
async def test_search_finds_what_was_meant(search: Search, question: str, first: str | None) -> None:
    found = await search.search(question, 5)
    tracks = [hit.id for hit in found["track"]]
    names = [hit.name for kind in ("artist", "album") for hit in found[kind]]
    if first is None:
        assert tracks + names == []
    else:
        assert first in (tracks[:1] if first.startswith("t") else names)


async def tracks_of(search: Search, question: str) -> list[str]:
    return [hit.id for hit in (await search.search(question, 5))["track"]]


async def test_search_puts_what_charts_now_first(database: Database, search: Search) -> None:
    assert await tracks_of(search, "halo") == ["t3", "t6"]
    day = made_chart(Window.at("day", START), entries=1)
    entry = replace(day.entries[0], track_id="t6")
    chart = [replace(day, region=region, entries=(entry,)) for region in ("US", "global")]
    await History(database).write_final(chart)
    await refresh_popularity(database)
    hits = (await search.search("halo", 5))["track"]
    assert [hit.id for hit in hits] == ["t6", "t3"]
    assert hits[0].popularity == day.entries[0].plays
    assert [hit.id for hit in await search.suggest("ha", 5)] == ["t6", "t3"]
    # A day later it charts no more.
    later = made_chart(Window("day", Window.at("day", START).start + 2 * DAY_MS), "global")
    await History(database).write_final([later])
    await refresh_popularity(database)
    assert {hit.popularity for hit in (await search.search("halo", 5))["track"]} == {0}


async def test_popularity_locks_tracks_in_the_order_of_their_ids(database: Database) -> None:
    """As an import does, so that neither waits for what the other waits for."""
    for track in ("t3", "t2", "t1"):
        await Catalogue(database).create("tracks", {"track_id": track, "title": "T"})
    await database.execute("UPDATE tracks SET popularity = 9")
    async with database.transaction() as other:
        await other.execute("SELECT FROM tracks WHERE track_id = 't1' FOR UPDATE")
        counting = asyncio.create_task(refresh_popularity(database))
        await until_blocked(database)
        await other.execute("SELECT FROM tracks FOR UPDATE NOWAIT")
    await counting
    assert await database.fetchval("SELECT sum(popularity) FROM tracks") == 0


@pytest.mark.parametrize("question", ["h", "ha", "hal", "HALO", "the be", "hé"])
async def test_suggest_goes_on_from_the_first_letters(search: Search, question: str) -> None:
    hits = await search.suggest(question, 10)
    assert hits
    folded = question.lower().replace("é", "e")
    assert all(hit.name.lower().replace("é", "e").startswith(folded) for hit in hits)


async def test_a_renamed_artist_is_found_by_the_new_name(database: Database, search: Search) -> None:
    catalogue = Catalogue(database)
    artist = (await catalogue.get("tracks", "t7"))["artist_id"]
    await catalogue.update("artists", artist, {"name": "Hans Hölzel"}, None)
    assert await tracks_of(search, "holzel wahn grossenwahn") == []
    assert await tracks_of(search, "holzel grossenwahn") == ["t7"]
    assert await tracks_of(search, "falco") == []
