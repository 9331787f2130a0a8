"""The page of a soak: what it says of memory, and when it says nothing."""

from tests.soak.report import Soak, Weights

WARM_S = 540.0


def weights(minutes: int) -> Weights:
    """A sample every five seconds, a megabyte more each minute."""
    return Weights(WARM_S, [(at, 400 + at // 60) for at in map(float, range(5, minutes * 60, 5))], 8.25)


def page(minutes: int) -> str:
    kills = [("b", True), ("lake", False), ("b", False)]
    ledger = {"counted": 1_700_000, "duplicate": 100_000, "tick": 0}
    said = ("equal: 812 charts", "3.1 CPU seconds")
    return Soak(7, 10_000, 60, minutes * 60.0, kills, ledger, 812, *said, 44.4, weights(minutes)).page()


def test_memory_is_judged_by_the_minute_it_was_warm_and_the_last_one() -> None:
    judged = weights(30).judged()
    assert judged is not None and (round(judged[0]), round(judged[1])) == (409, 429)
    assert "409 MB when warm, after 9 minutes; 429 MB in the last one." in page(30)


def test_a_soak_that_never_warms_up_judges_no_memory() -> None:
    assert weights(10).judged() is None
    assert Weights(WARM_S).judged() is None
    assert "Not judged" in page(3)


def test_the_page_says_what_happened() -> None:
    said = page(30)
    assert "| records | 1,800,000 in 30.0 minutes, 10,000 plays/s |" in said
    assert "| killed | 3 (b 2, lake 1), 1 with the folder |" in said
    assert "| 1,700,000 counted, 100,000 duplicate |" in said
    assert "equal: 812 charts" in said and "| 8.2 s old |" in said
    assert "| 20 | 420 421 422 423 424 425 426 427 428 429 |" in said
