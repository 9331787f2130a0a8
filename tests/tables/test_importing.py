"""Sheets into the catalogue and out again: what is good goes in, what is bad is named with its line."""

import asyncio
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from charts.errors import BadRequest, Conflict
from tables import sheets
from tables.catalogue import SQL, Catalogue
from tables.exporting import count_tracks, export_tracks
from tables.importing import import_tracks
from tables.postgres import Database
from tables.search import Search
from tables.sheets import Format, format_of, read, size_of
from tests.tables.blocked import until_blocked

HEADER = "track_id,title,artist,album,genre,duration_ms,isrc,release_date,cover_url\n"


def made_rows(count: int, seed: int) -> list[dict[str, str | None]]:
    rng = random.Random(seed)
    return [
        {
            "track_id": f"t{n}",
            "title": rng.choice(["Über, alles", 'Say "no"', "Two\nlines", "Été"]).replace("\n", " ")
            + f" {n}",
            "artist": f"Artist {rng.randrange(count // 3 + 1)}",
            "album": rng.choice([None, f"Album {rng.randrange(5)}"]),
            "genre": rng.choice(["pop", None]),
            "duration_ms": str(rng.randrange(1, 400_000)),
            "isrc": f"USABC{rng.randrange(10**7):07}",
            "release_date": "2020-02-29",
            "cover_url": "https://example.org/a.jpg",
        }
        for n in range(count)
    ]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
async def test_what_is_exported_can_be_imported_and_is_the_same(
    database: Database, tmp_path: Path, form: Format
) -> None:
    rows = made_rows(100, seed=3)
    first = tmp_path / "first.parquet"
    pq.write_table(pa.Table.from_pylist(rows), first)
    outcome = await import_tracks(database, first, "parquet")
    assert (outcome.rows, outcome.changed, outcome.bad) == (100, 100, [])
    sheet = tmp_path / f"sheet.{form}"
    assert format_of(sheet) == form
    assert await export_tracks(database, sheet, form) == 100
    before = await database.fetch("SELECT * FROM tracks ORDER BY track_id")
    outcome = await import_tracks(database, sheet, form)
    assert (outcome.rows, outcome.changed, outcome.bad) == (100, 0, [])
    assert await database.fetch("SELECT * FROM tracks ORDER BY track_id") == before
    await database.execute("TRUNCATE tracks, albums, artists")
    outcome = await import_tracks(database, sheet, form)
    assert (outcome.rows, outcome.changed, outcome.bad) == (100, 100, [])
    record = await Catalogue(database).get("tracks", "t7")
    want = rows[7]
    assert {name: record[name] for name in ("title", "artist", "album", "genre", "isrc")} == {
        name: want[name] for name in ("title", "artist", "album", "genre", "isrc")
    }
    assert record["release_date"].isoformat() == "2020-02-29"
    assert await count_tracks(database) == 100
    assert not list(tmp_path.glob("*.part"))


async def test_bad_rows_are_named_and_the_rest_goes_in(database: Database, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    lines = [
        b"good,Title,Artist,,,,,,",
        b",No id,Artist,,,,,,",
        b"x,,Artist,,,,,,",
        b"short,Title",
        b'two,"Two\nlines",,,,,,,',
        b"fast,Title,,,,-5,,,",
        b"isrc,Title,,,,,US-123,,",
        b"day,Title,,,,,,2023-02-30,",
        b"word,Title,,,,,,yesterday,",
        b"url,Title,,,,,,,javascript:alert(1)",
        b"utf,T\xffitle,,,,,,,",
        b"long," + b"x" * 513 + b",,,,,,,",
        b"year,Title,,,,,us-abc-2000001,1999,",
        b"",
        b"good2,Title,,,,60000,,2020-01,http://example.org/",
        b"before,Title,,,,,,0000,",
        b"before2,Title,,,,,,0000-01-01,",
    ]
    sheet.write_bytes(HEADER.encode() + b"\n".join(lines))
    outcome = await import_tracks(database, sheet, "csv")
    # Line 1 is the header; the row that spans lines 6 and 7 moves those after it.
    assert outcome.bad == [
        (3, "track_id is missing"),
        (4, "title is missing"),
        (5, "has 2 fields, the header 9"),
        (6, "title has control characters"),
        (8, "duration_ms is not a number of milliseconds"),
        (9, "isrc is not an ISRC"),
        (10, "release_date is no day of the calendar"),
        (11, "release_date is not a date (2026-01-31, 2026-01 or 2026)"),
        (12, "cover_url is not an http address"),
        (13, "not UTF-8"),
        (14, "title is over 512 characters"),
        (18, "release_date is no day of the calendar"),
        (19, "release_date is no day of the calendar"),
    ]
    assert outcome.rows == 16
    tracks = await database.fetch("SELECT track_id, isrc, release_date FROM tracks ORDER BY track_id")
    assert [row["track_id"] for row in tracks] == ["good", "good2", "year"]
    assert tracks[2]["isrc"] == "USABC2000001"
    assert tracks[2]["release_date"].isoformat() == "1999-01-01"


async def test_bad_json_lines(database: Database, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.jsonl"
    lines = [
        '{"track_id": "a", "title": "A", "duration_ms": 1000, "more": [1]}',
        "",
        "{broken",
        "[1]",
        '{"track_id": "b", "title": ["B"]}',
        '{"track_id": "c", "title": "C", "duration_ms": 1.5}',
        '{"track_id": "d", "title": "D\\u0000"}',
    ]
    sheet.write_text("\n".join(lines))
    outcome = await import_tracks(database, sheet, "jsonl")
    assert [line for line, _ in outcome.bad] == [3, 4, 5, 6, 7]
    assert outcome.changed == 1


async def test_the_same_track_twice_in_a_file_is_the_later_one(database: Database, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(HEADER + "a,First,,,,,,,\na,Second,,,,,,,\n")
    assert (await import_tracks(database, sheet, "csv")).changed == 1
    assert (await Catalogue(database).get("tracks", "a"))["title"] == "Second"


async def test_an_artist_is_made_once_and_found_by_any_spelling(database: Database, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(HEADER + "a,A,Beyoncé,,,,,,\nb,B,BEYONCE,,,,,,\nc,C,Beyoncé,,,,,,\n")
    await import_tracks(database, sheet, "csv")
    assert await database.fetchval("SELECT count(*) FROM artists") == 1
    assert await database.fetchval("SELECT count(DISTINCT artist_id) FROM tracks") == 1


async def test_a_name_the_sheet_gave_an_id_is_that_artist(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same piece or in a later one, whatever Postgres has of it by then."""
    monkeypatch.setattr(sheets, "PIECE_ROWS", 2)
    rows = ["a,Song,ar-1,Björk", "b,Other,,bjork", "c,Third,,BJÖRK", "d,Fourth,,Björk"]
    (tmp_path / "sheet.csv").write_text("\n".join(["track_id,title,artist_id,artist", *rows]))
    assert (await import_tracks(database, tmp_path / "sheet.csv", "csv")).changed == 4
    found = await database.fetch("SELECT DISTINCT artist_id FROM tracks")
    assert [row["artist_id"] for row in found] == ["ar-1"]


async def test_an_id_nobody_names_is_reported(database: Database, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("track_id,title,artist_id\na,A,nobody\nb,B,\n")
    outcome = await import_tracks(database, sheet, "csv")
    assert [line for line, _ in outcome.bad] == [2]
    assert outcome.changed == 1


async def test_an_album_of_an_artist_nobody_names_is_reported(database: Database, tmp_path: Path) -> None:
    """Its row is, that is: the album goes in with the row whose artist there is."""
    sheet = tmp_path / "sheet.csv"
    rows = ["a,A,nobody,,X,", "b,B,,,,Y", "c,C,nobody,,al-1,Z", "d,D,ar-1,Ann,al-1,Z"]
    sheet.write_text("\n".join(["track_id,title,artist_id,artist,album_id,album", *rows]))
    outcome = await import_tracks(database, sheet, "csv")
    assert [line for line, _ in outcome.bad] == [2, 4]
    assert outcome.changed == 2
    albums = await database.fetch("SELECT title, artist_id FROM albums ORDER BY title")
    assert [tuple(row) for row in albums] == [("Y", None), ("Z", "ar-1")]


@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary"])
async def test_parquet_rows_that_are_not_utf8(database: Database, tmp_path: Path, kind: str) -> None:
    """Whoever wrote the file may call any bytes a text."""
    texts = pa.array([b"One", b"T\xffwo", None, b"Three"], pa.binary()).view(pa.string())
    if kind != "string":
        texts = texts.cast(pa.large_string()) if kind == "large_string" else texts.dictionary_encode()
    ids = pa.array(["a", "b", "c", "d"])
    pq.write_table(pa.table({"track_id": ids, "title": texts, "album": ids}), tmp_path / "sheet.parquet")
    outcome = await import_tracks(database, tmp_path / "sheet.parquet", "parquet")
    assert outcome.bad == [(2, "not UTF-8"), (3, "title is missing")]
    tracks = await database.fetch("SELECT track_id, title FROM tracks ORDER BY track_id")
    assert [tuple(row) for row in tracks] == [("a", "One"), ("d", "Three")]


async def test_a_track_is_found_by_the_names_the_sheet_has_ids_of(database: Database, tmp_path: Path) -> None:
    catalogue, search = Catalogue(database), Search(database)
    await catalogue.create("artists", {"artist_id": "ar-1", "name": "Björk"})
    await catalogue.create("albums", {"album_id": "al-1", "title": "Début"})
    sheet = tmp_path / "sheet.csv"
    rows = ["a,Human,ar-1,al-1,,", "b,Hunter,ar-1,,,Homogenic", "c,Army,,,Björk,Post"]
    sheet.write_text("\n".join(["track_id,title,artist_id,album_id,artist,album", *rows]))
    assert (await import_tracks(database, sheet, "csv")).changed == 3
    for question, tracks, albums in (
        ("bjork", {"a", "b", "c"}, {"Homogenic", "Post"}),
        ("bjork human", {"a"}, set()),
        ("debut", {"a"}, {"Début"}),
        ("bjork debut", {"a"}, set()),
        ("bjork homogenic", {"b"}, {"Homogenic"}),
    ):
        found = await search.search(question, 5)
        assert {hit.id for hit in found["track"]} == tracks, question
        assert {hit.name for hit in found["album"]} == albums, question


@pytest.mark.parametrize("album", ["", "Debut"])
async def test_an_artist_deleted_while_their_tracks_go_in(
    database: Database, tmp_path: Path, album: str
) -> None:
    """After their rows were looked at, before their tracks or albums are kept: the rows are named."""
    await Catalogue(database).create("artists", {"artist_id": "ar-1", "name": "Björk"})
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(f"track_id,title,artist_id,album\na,A,ar-1,{album}\nb,B,,\n")
    async with database.transaction() as editor:
        await editor.execute("DELETE FROM artists WHERE artist_id = 'ar-1'")
        running = asyncio.create_task(import_tracks(database, sheet, "csv"))
        await until_blocked(database)
    outcome = await running
    assert [line for line, _ in outcome.bad] == [2]
    assert outcome.changed == 1


#: The first merges lose, whatever the reason: a sequence counts those that were rolled back too.
LOSING = """
CREATE SEQUENCE merges;
CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('merges') <= {times} THEN RAISE {reason} USING DETAIL = 'more'; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER lose AFTER INSERT ON tracks FOR EACH STATEMENT EXECUTE FUNCTION lose()"""


@pytest.mark.parametrize("reason", ["deadlock_detected", "foreign_key_violation"])
async def test_a_merge_that_loses_is_run_again(database: Database, tmp_path: Path, reason: str) -> None:
    await database.execute(LOSING.format(times=2, reason=reason))
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("track_id,title,artist_id\na,A,nobody\nb,B,\n")
    outcome = await import_tracks(database, sheet, "csv")
    assert [line for line, _ in outcome.bad] == [2]
    assert outcome.changed == 1


async def test_a_merge_that_always_loses_says_so(database: Database, tmp_path: Path) -> None:
    await database.execute(LOSING.format(times=1000, reason="foreign_key_violation"))
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("track_id,title\na,A\n")
    with pytest.raises(Conflict, match="import the file again") as caught:
        await import_tracks(database, sheet, "csv")
    assert "\n" not in str(caught.value)


async def test_an_import_does_not_wait_for_an_editor(database: Database, tmp_path: Path) -> None:
    """A locked artist may get tracks: who waits for them, and is waited for by them, deadlocks."""
    await Catalogue(database).create("artists", {"artist_id": "ar-1", "name": "Björk"})
    await Catalogue(database).create("albums", {"album_id": "al-1", "title": "Debut"})
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("track_id,title,artist_id,album_id\na,A,ar-1,al-1\n")
    async with database.transaction() as editor, asyncio.timeout(20):
        assert await editor.fetchval(SQL["lock_artists"], "ar-1") == 1
        assert await editor.fetchval(SQL["lock_albums"], "al-1") == 1
        assert (await import_tracks(database, sheet, "csv")).changed == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.parquet", b"track_id,title\na,b\n", "not Parquet"),
        ("a.parquet", b"", "not Parquet"),
        ("a.csv", b"", "no header"),
        ("a.csv", b"PAR1\x00\x01\x02", "no"),
        ("a.csv", b"id,name\n1,2\n", "no column track_id and no column title"),
        ("a.jsonl", b"track_id,title\na,b\n", "not JSON Lines"),
        ("a.jsonl", b"\x00\xff\n", "not JSON Lines"),
    ],
)
def test_a_file_that_is_not_what_it_says(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    sheet = tmp_path / name
    sheet.write_bytes(content)
    with pytest.raises(BadRequest, match=says) as caught:
        size_of(sheet, format_of(sheet))
        list(read(sheet, format_of(sheet)))
    assert "\n" not in str(caught.value)


def test_a_file_of_no_known_kind(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="name it"):
        format_of(tmp_path / "a.xlsx")
    with pytest.raises(BadRequest, match="no such file"):
        size_of(tmp_path / "a.csv", "csv")


async def test_a_parquet_file_cut_short(database: Database, tmp_path: Path) -> None:
    sheet = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(made_rows(1000, seed=1)), sheet)
    content = bytearray(sheet.read_bytes())
    content[100:2000] = b"\xff" * 1900
    sheet.write_bytes(content)
    with pytest.raises(BadRequest, match=r"a\.parquet"):
        await import_tracks(database, sheet, "parquet")
