"""What people see: the charts that a reader of the boards topic has, against the truth."""

from collections import Counter, defaultdict
from collections.abc import Collection

from charts.board import Board
from charts.settings import Settings
from charts.window import DAY_MS, HOUR_MS, SECOND_MS, Window
from tables.boards import Boards
from tests.crash.oracle import Log, Truth

Place = tuple[str, Window]


def read_boards(settings: Settings, log: Log) -> Boards:
    """The boards as a worker that reads the topic from its beginning has them."""
    boards = Boards(settings)
    boards.partitions = len(log)
    for partition, records in log.items():
        for record in records:
            assert record.key is not None
            boards.take(partition, record.key, record.value)
    return boards


def wrong_charts(boards: Boards, truth: Truth, written: Collection[Place] = ()) -> list[str]:
    """Charts that differ from the truth in a rank, a count or a total, or are missing; and wrong heads.

    Those that are written in the history may be gone.
    """
    wanted = charts_of(truth)
    found = []
    for place in sorted(wanted.keys() | set(boards.charts()), key=str):
        chart, plays = boards.chart(*place), wanted[place]
        if chart is None:
            if place not in written and not _may_be_gone(boards, place[1]):
                found.append(f"{place}: no chart, {plays.total()} plays")
            continue
        ranked = ranking(plays)
        shown = [(entry.track_id, entry.plays) for entry in chart.entries]
        if shown != ranked[: boards.settings.top_n]:
            found.append(f"{place}: {shown[:3]}…, not {ranked[:3]}…")
        if (chart.plays, chart.tracks) != (plays.total(), len(plays)):
            found.append(
                f"{place}: {chart.plays} plays of {chart.tracks}, not {plays.total()} of {len(plays)}"
            )
    for partition, ledger in truth.ledgers.items():
        head = boards.heads.get(partition)
        shown_ledger = {name: count for name, count in head.ledger.items() if count} if head else None
        if shown_ledger != dict(ledger):
            found.append(f"head of {partition}: {shown_ledger}, not {dict(ledger)}")
    return found


def ranking(plays: Counter[str]) -> list[tuple[str, int]]:
    """By plays, then by track."""
    return sorted(plays.items(), key=lambda item: (-item[1], item[0].encode()))


def _parts(boards: Boards, place: Place) -> dict[int, tuple[int, int]]:
    """What each partition's board says, to see whose is wrong."""
    decoded = {partition: Board.decode(value) for partition, value in boards._values[place].items()}
    return {partition: (board.applied, board.plays) for partition, board in decoded.items()}


def _may_be_gone(boards: Boards, window: Window) -> bool:
    """Whether its boards may have been withdrawn: final for so long that no history will take them."""
    return boards.is_final(window) and boards.clock > window.end + boards.settings.boards_kept * SECOND_MS


def charts_of(truth: Truth) -> dict[Place, Counter[str]]:
    charts: dict[Place, Counter[str]] = defaultdict(Counter)
    for (day, track, region, hour), plays in truth.cells.items():
        for window in (Window("day", day * DAY_MS), Window("hour", day * DAY_MS + hour * HOUR_MS)):
            for where in (region, "global"):
                charts[(where, window)][track] += plays
    return charts
