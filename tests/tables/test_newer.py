"""One partition's state on a real RocksDB: what recovery may overwrite, and what crashes and loads leave."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rocksdict

from charts.home import home_of
from charts.intake import take_in
from charts.landing import Taken
from charts.marker import Marker
from charts.play import Play
from charts.run import ChangelogRun, Run
from charts.tally import Stored, fence_of, key_of
from charts.verdict import Rulebook, Rules, Verdict
from charts.window import HOUR_MS
from tables import tally_keys as k
from tables.partition import Partition, Update
from tables.recovery import OFFSET_KEY, apply_run, claimed, newer, overwritten

HOUR = 400_000
NOW_MS = HOUR * HOUR_MS + HOUR_MS // 2
BOOK = Rulebook.of({0: Rules(partitions=1)})
KEY = key_of(HOUR // 24, b"track")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Any]:
    db = rocksdict.Rdict(str(tmp_path / "tally-0.db"), options=rocksdict.Options(raw_mode=True))
    yield db
    db.close()


def loaded(db: Any, **options: Any) -> Partition:
    part = Partition(0, db, 10, duplicates=True, **options)
    part.load()
    return part


def taken(
    part: Partition, start: int, plays: list[Play], forwarded: dict[int, tuple[int, int]] | None = None
) -> Taken:
    count = len(plays)
    offsets, stamps = np.arange(start, start + count), np.full(count, NOW_MS)
    run = Run(0, start, start + count, [play.encode() for play in plays], offsets, stamps, forwarded or {})
    return Taken.of(take_in(run, part.time_read, BOOK))


def play(number: int, track: str = "track", region: str = "DE", hour: int = HOUR) -> Play:
    assert home_of(track, 1) == 0
    return Play(f"p{number}", "u", track, region, hour * HOUR_MS, 60_000)


def flushed(part: Partition, last: int, *batches: Taken) -> Update:
    """A flush that reached the store."""
    for batch in batches:
        part.take(batch)
    update = part.prepare(0)
    part.store(update, last)
    return update


def counts(db: Any) -> Counter[str]:
    """Plays of each track, all regions and the whole day."""
    found: Counter[str] = Counter()
    for key, value in db.items():
        if key != OFFSET_KEY and key < k.META:
            cells = Stored.of([value]).cells
            found[key[2:].decode()] += int(cells.plays[cells.code == 0xFF].sum())
    return found


def changelog(start: int, *records: tuple[bytes, bytes | None]) -> ChangelogRun:
    keys, values = [key for key, _ in records], [value for _, value in records]
    return ChangelogRun(0, start, start + len(records), keys, values, np.arange(start, start + len(records)))


def tally(fence: int, plays: int) -> bytes:
    return fence.to_bytes(8, "little") + (plays << 24 | 0xFF).to_bytes(8, "little")


# -- what recovery may overwrite


def test_of_two_values_the_higher_fence_holds_within_a_run(db: Any) -> None:
    run = changelog(0, (KEY, tally(9, 2)), (KEY, tally(5, 1)))
    assert newer(db, run) == ([(KEY, tally(9, 2))], {KEY})


def test_of_two_values_the_higher_fence_holds_against_the_store(db: Any) -> None:
    db[KEY] = tally(9, 2)
    assert newer(db, changelog(0, (KEY, tally(5, 1)))) == ([], {KEY})
    assert newer(db, changelog(0, (KEY, tally(10, 3)))) == ([(KEY, tally(10, 3))], set())


def test_a_deleted_tally_is_gone(db: Any) -> None:
    db[KEY] = tally(9, 2)
    assert newer(db, changelog(0, (KEY, None))) == ([(KEY, None)], set())
    assert newer(db, changelog(0, (KEY, tally(10, 3)), (KEY, None))) == ([(KEY, None)], set())


@pytest.mark.parametrize(
    ("known", "older"),
    [
        (Marker(applied=7, settled=3), Marker(applied=6, settled=9)),
        (Marker(applied=7, settled=3), Marker(applied=7, settled=2)),
    ],
)
def test_a_marker_never_goes_back(db: Any, known: Marker, older: Marker) -> None:
    db[k.MARKER] = known.encode()
    assert newer(db, changelog(0, (k.MARKER, older.encode()))) == ([], {k.MARKER})
    assert newer(db, changelog(0, (k.MARKER, known.encode()))) == ([(k.MARKER, known.encode())], set())


def test_identities_of_a_longer_flush_hold(db: Any) -> None:
    hashes, offsets = np.arange(3, dtype=np.uint64), np.arange(10, 13)
    [(key, long)] = k.pack_identities(k.IDS, HOUR, hashes, offsets)
    [(same, short)] = k.pack_identities(k.IDS, HOUR, hashes[:2], offsets[:2])
    assert key == same
    assert newer(db, changelog(0, (key, long), (key, short))) == ([(key, long)], {key})


def test_a_run_says_how_far_the_store_has_come_and_never_goes_back(db: Any) -> None:
    apply_run(db, changelog(0, (KEY, tally(1, 1)), (KEY, tally(2, 2))))
    assert claimed(db) == 1
    apply_run(db, changelog(0, (KEY, tally(1, 1))))
    assert (claimed(db), db[KEY]) == (1, tally(2, 2))


def test_a_key_that_ends_in_an_older_record_is_noted_until_it_is_written_again(db: Any) -> None:
    apply_run(db, changelog(0, (KEY, tally(9, 2))))
    assert not overwritten(db)
    apply_run(db, changelog(1, (KEY, tally(5, 1))))
    apply_run(db, changelog(2, (key_of(HOUR // 24, b"other"), tally(5, 1))))
    assert overwritten(db) == {KEY}
    apply_run(db, changelog(3, (KEY, tally(9, 2))))
    assert not overwritten(db)


# -- what a crash leaves


def test_a_flush_that_reached_only_the_changelog_is_not_counted_twice(db: Any) -> None:
    part = loaded(db)
    flushed(part, 0, taken(part, 0, [play(1), play(2, "other")]))
    part.take(taken(part, 2, [play(3), play(4), play(3)]))
    lost = part.prepare(0)
    # The batch with the tallies arrived, the marker did not; another worker recovers and reads on.
    apply_run(db, changelog(1, *lost.records))
    heir = loaded(db)
    assert heir.expected == 2
    flushed(heir, 9, taken(heir, 2, [play(3), play(4), play(3), play(5)]))
    assert counts(db) == {"track": 4, "other": 1}
    assert heir.marker.ledger[Verdict.counted] == 5
    assert heir.marker.ledger[Verdict.duplicate] == 1


def test_without_fences_it_is(db: Any) -> None:
    part = loaded(db, fences=False)
    part.take(taken(part, 0, [play(1), play(2)]))
    apply_run(db, changelog(0, *part.prepare(0).records))
    heir = loaded(db, fences=False)
    flushed(heir, 9, taken(heir, 0, [play(1), play(2)]))
    assert counts(db) == {"track": 4}


def test_a_store_claims_nothing_from_the_first_foreign_record_on(db: Any) -> None:
    part = loaded(db)
    flushed(part, 3, taken(part, 0, [play(1)]))
    assert claimed(db) == 3
    part.unread = 5
    flushed(part, 9, taken(part, 1, [play(2)]))
    flushed(part, 12, taken(part, 2, [play(3)]))
    assert claimed(db) == 4
    assert loaded(db).changelog_next == 5


def test_what_recovery_noticed_is_written_again_once(db: Any) -> None:
    part = loaded(db)
    flushed(part, 0, taken(part, 0, [play(1), play(2)]))
    apply_run(db, changelog(1, (KEY, tally(0, 1))))
    heir = loaded(db)
    update = heir.prepare(0)
    assert update.records == [(KEY, db[KEY])]
    heir.store(update, 3)
    assert not loaded(db).prepare(0).records


def test_foreign_keys_are_written_again_with_what_we_hold(db: Any) -> None:
    part = loaded(db)
    flushed(part, 0, taken(part, 0, [play(1)]))
    part.rewrite = {KEY, key_of(HOUR // 24, b"unknown"), k.MARKER}
    records = dict(part.prepare(0).records)
    assert records == {KEY: db[KEY]}
    assert not part.prepare(0).records


# -- what a load finds


def test_a_load_finds_what_was_flushed(db: Any) -> None:
    part = loaded(db)
    flushed(part, 0, taken(part, 0, [play(1), play(2), play(3, "other", "US")]))
    again = loaded(db)
    assert again.marker == part.marker
    assert (again.expected, again.time_read) == (3, NOW_MS)
    assert {place: found.counts for place, found in again.lists.lists.items()} == {
        place: found.counts for place, found in part.lists.lists.items()
    }
    assert {place: (found.plays, found.tracks) for place, found in again.lists.lists.items()} == {
        place: (found.plays, found.tracks) for place, found in part.lists.lists.items()
    }
    assert len(again.lists.take_changed()) == len(again.lists.lists), "every board is published again"


def test_a_load_remembers_identities_up_to_the_marker_only(db: Any) -> None:
    part = loaded(db)
    flushed(part, 0, taken(part, 0, [play(1)]))
    part.take(taken(part, 1, [play(2)]))
    apply_run(db, changelog(1, *part.prepare(0).records))
    heir = loaded(db)
    assert len(heir.remembered) == 1
    flushed(heir, 9, taken(heir, 1, [play(2), play(1)]))
    assert heir.marker.ledger[Verdict.duplicate] == 1
    assert counts(db) == {"track": 2}


def test_a_first_flush_cut_off_leaves_nothing_remembered(db: Any) -> None:
    part = loaded(db)
    part.take(taken(part, 0, [play(1)]))
    apply_run(db, changelog(0, *part.prepare(0).records))
    heir = loaded(db)
    assert (len(heir.remembered), heir.expected) == (0, None)
    flushed(heir, 9, taken(heir, 0, [play(1)]))
    assert counts(db) == {"track": 1}


def test_what_was_not_flushed_is_read_again(db: Any) -> None:
    part = loaded(db)
    flushed(part, 0, taken(part, 0, [play(1)]))
    part.expected = 5
    part.take(taken(part, 1, [play(2)]))
    part.forget_pending()
    assert (part.expected, part.pending_rows) == (1, 0)


def test_days_that_are_over_leave_the_store_and_the_lists(db: Any) -> None:
    part = loaded(db)
    flushed(part, 0, taken(part, 0, [play(1)]))
    settled = (HOUR // 24 + 1) * 24
    part.store(part.prepare(settled), 1)
    swept = part.prepare(settled)
    assert KEY in {key for key, value in swept.records if value is None}
    part.store(swept, 2)
    assert not counts(db)
    again = loaded(db)
    assert (len(again.lists.lists), len(again.remembered)) == (0, 0)
    assert json.loads(db[k.MARKER])["settled"] == settled


def test_the_fence_is_the_offset_a_value_includes(db: Any) -> None:
    part = loaded(db)
    flushed(part, 0, taken(part, 0, [play(1), play(2, "other"), play(3)]))
    assert fence_of(db[KEY]) == 2
