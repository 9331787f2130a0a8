"""External charts: what publishers write, small samples made by hand, and what is not a chart."""

import orjson
import pytest

from charts.errors import BadRequest
from charts.external import Format, apple_region, guess_format, read_chart
from charts.window import HOUR_MS, Window

DAY = Window.at("day", 1_700_006_400_000)

APPLE = orjson.dumps(
    {
        "feed": {
            "title": "Top Songs",
            "country": "se",
            "updated": "Fri, 20 Nov 2026 07:08:06 +0000",
            "results": [
                {"artistName": "Ann", "id": "111", "name": "Eden", "kind": "songs", "genres": []},
                {"artistName": "Ben & Co", "id": "222", "name": "Halo\u0000!", "url": "https://example.org"},
            ],
        }
    }
)
HEADER = "rank,uri,artist_names,track_name,source,peak_rank,previous_rank,days_on_chart,streams\n"
IDS = [f"{n:022}" for n in range(9)]
SPOTIFY = (
    HEADER
    + f'2,spotify:track:{IDS[2]},"Ben, Co","Say ""no""",Label,1,1,40,800\n'
    + f"1,spotify:track:{IDS[1]},Ann,Édén,Label,1,3,5,1200\n"
    + f"3,spotify:track:{IDS[3]},Cid,New,Label,3,-1,1,400\n"
    + f"4,spotify:track:{IDS[4]},Dan,Back,Label,2,0,9,100\n"
).encode()


def test_an_apple_feed() -> None:
    chart = read_chart(APPLE, "apple", "SE", DAY, "apple")
    assert guess_format(APPLE) == "apple"
    assert apple_region(APPLE) == "SE"
    assert [(e.rank, e.track_id, e.title, e.artist, e.plays) for e in chart.entries] == [
        (1, "apple:111", "Eden", "Ann", 0),
        (2, "apple:222", "Halo !", "Ben & Co", 0),
    ]
    assert (chart.status, chart.source, chart.window) == ("final", "apple", DAY)


def test_a_spotify_chart_keeps_its_own_trends() -> None:
    chart = read_chart(SPOTIFY, "spotify", "global", DAY, "spotify")
    assert guess_format(SPOTIFY) == "spotify"
    assert [(e.rank, e.track_id, e.title, e.artist, e.plays) for e in chart.entries[:2]] == [
        (1, f"spotify:{IDS[1]}", "Édén", "Ann", 1200),
        (2, f"spotify:{IDS[2]}", 'Say "no"', "Ben, Co", 800),
    ]
    trends = [(e.previous_rank, e.movement, e.peak_rank, e.windows_on_chart) for e in chart.entries]
    assert trends == [(3, "up", 1, 5), (1, "down", 1, 40), (None, "new", 3, 1), (None, "re-entry", 2, 9)]
    assert (chart.plays, chart.entries[0].share) == (2500, 0.48)


def row(*fields: object) -> bytes:
    return (HEADER + ",".join(map(str, fields)) + "\n").encode()


@pytest.mark.parametrize(
    ("content", "form", "says"),
    [
        (b"", "apple", "not an Apple feed"),
        (b"[]", "apple", "not an Apple feed"),
        (b'{"feed": []}', "apple", "not an Apple feed"),
        (b'{"feed": {"results": 7}}', "apple", "no `results`"),
        (b'{"feed": {"results": []}}', "apple", "0 entries"),
        (b'{"feed": {"results": [{"id": "1"}]}}', "apple", "result 1 has no id or no name"),
        (b'{"feed": {"results": [{"id": "1", "name": "a"}, {"id": "1", "name": "a"}]}}', "apple", "twice"),
        (b"", "spotify", "no column"),
        (b"\xff\xfe", "spotify", "not a Spotify chart"),
        (b"a,b\n1,2\n", "spotify", "no column artist_names"),
        (row(1, "http://x", "A", "B", "", 1, 1, 1, 5), "spotify", "line 2: no rank, or no"),
        (row("one", f"spotify:track:{IDS[0]}", "A", "B", "", 1, 1, 1, 5), "spotify", "line 2: rank is no"),
        (row(2, f"spotify:track:{IDS[0]}", "A", "B", "", 1, 1, 1, 5), "spotify", "ranks are not 1, 2, 3"),
        (row(1, f"spotify:track:{IDS[0]}", "A", "B", "", 1, 1, 1, "-5"), "spotify", "streams is no number"),
        (row(1, f"spotify:track:{IDS[0]}", "A", "B", "", 10**9, 1, 1, 5), "spotify", "peak_rank is no"),
    ],
)
def test_what_is_no_chart_is_refused_in_one_line(content: bytes, form: Format, says: str) -> None:
    with pytest.raises(BadRequest, match=says) as caught:
        read_chart(content, form, "SE", DAY, form)
    assert "\n" not in str(caught.value)


def test_a_region_is_checked() -> None:
    with pytest.raises(BadRequest, match="two capitals"):
        read_chart(APPLE, "apple", "Sweden", Window("hour", HOUR_MS), "apple")
