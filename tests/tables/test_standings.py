"""Trends of live charts, however long the history has not been written."""

from charts.chart import Chart
from charts.window import HOUR_MS
from tables.rows import Place
from tables.standings import LAYERS_MAX, Standings
from tests.tables.made import made_run, oracle, rows_of

START = 1_700_006_400_000


class Unwritten:
    """Boards that stay, since nobody writes them."""

    ready, clock = True, START

    def __init__(self, charts: list[Chart]) -> None:
        self._charts = {(chart.region, chart.window): chart for chart in charts}

    def chart(self, region: str, window: object) -> Chart | None:
        return self._charts.get((region, window))  # type: ignore[arg-type]

    def charts(self) -> list[Place]:
        return list(self._charts)

    def is_final(self, window: object) -> bool:
        return False


def test_a_track_s_past_goes_back_through_every_chart_that_is_not_written() -> None:
    near = made_run("hour", START, 2 * LAYERS_MAX + 5, ["US", "DE"])
    standings = Standings(Unwritten(near))
    standings.whole = True
    for place, rows in oracle(near).items():
        chart = next(chart for chart in near if (chart.region, chart.window) == place)
        assert rows_of(standings.follow(chart)) == rows


def test_three_weeks_without_postgres_are_no_deeper_than_an_hour() -> None:
    charts = made_run("hour", START, 21 * 24, ["US"])
    standings = Standings(Unwritten(charts))
    standings.whole = True
    last = standings.follow(charts[-1])
    assert {entry.movement for entry in last.entries} - {"new"}
    assert charts[-1].window.start == START + (21 * 24 - 1) * HOUR_MS
