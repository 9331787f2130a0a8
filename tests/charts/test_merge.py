"""The merge: boards of disjoint tracks are one chart, whatever the partition of the tracks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from charts.board import Board, Row, board_key, parse_board_key
from charts.merge import merge
from charts.window import LIVE_KINDS, Window

#: Track → plays, dense with ties; ids whose order differs between UTF-8 and UTF-16.
catalogues = st.dictionaries(
    st.text(min_size=1, max_size=3) | st.sampled_from(["￿", "𐀀", "é", "z"]), st.integers(1, 5), max_size=30
)
sizes = st.sampled_from([1, 2, 5, 100])


def board_of(counts: dict[str, int], n: int) -> Board:
    return Board(7, sum(counts.values()), len(counts), tuple(ranked(counts)[:n]))


def ranked(counts: dict[str, int]) -> list[Row]:
    """The oracle: sort everything."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))
    return [(track, plays, f"title of {track}", None) for track, plays in order]


@settings(max_examples=50, deadline=None)
@given(catalogues, sizes, st.integers(1, 5), st.randoms(use_true_random=False))
def test_merged_boards_are_the_whole_ranking(counts: dict[str, int], n: int, partitions: int, dice) -> None:
    parts: list[dict[str, int]] = [{} for _ in range(partitions)]
    for track, plays in counts.items():
        dice.choice(parts)[track] = plays
    plays, tracks, entries = merge([board_of(part, n) for part in parts], n)
    assert (plays, tracks) == (sum(counts.values()), len(counts))
    assert [(e.track_id, e.plays, e.title, e.artist) for e in entries] == ranked(counts)[:n]
    assert [entry.rank for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry.share for entry in entries] == [round(entry.plays / plays, 6) for entry in entries]


def test_no_boards_are_an_empty_chart() -> None:
    assert merge([], 100) == (0, 0, ())
    assert merge([board_of({}, 100)], 100) == (0, 0, ())


def test_a_chart_is_as_long_as_it_is_asked_to_be() -> None:
    """Boards of a worker with more places than the reader's."""
    _, tracks, entries = merge([board_of({"a": 3, "b": 2, "c": 1}, 100)], 2)
    assert tracks == 3
    assert [entry.track_id for entry in entries] == ["a", "b"]


@given(catalogues, st.integers(-1, 1 << 62))
def test_a_board_is_read_as_written(counts: dict[str, int], applied: int) -> None:
    board = Board(applied, sum(counts.values()), len(counts), tuple(ranked(counts)))
    assert Board.decode(board.encode()) == board


@given(st.sampled_from(["global", "DE"]), st.sampled_from(LIVE_KINDS), st.integers(0, (1 << 42) - 1))
def test_a_board_s_key_names_it(region: str, kind, time: int) -> None:
    window = Window.at(kind, time)
    assert parse_board_key(board_key(region, window)) == (region, window)
