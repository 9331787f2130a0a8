"""A partition's count under fire: flushes, crashes, wiped folders and zombies, in any order.

The store is a real RocksDB, the changelog a list. Whatever happens, every value must hold exactly the plays
up to its fence or the marker, whichever is later, and all else must follow from the log up to the marker.
"""

import random
import shutil
import tempfile
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from charts.finality import settled_hour
from charts.intake import take_in
from charts.landing import Sending, Taken
from charts.play import Play
from charts.run import ChangelogRun
from charts.tally import ALL, DAY_BYTES, HOUR_MASK, Stored, fence_of, key_of
from charts.tally import DAY as WHOLE_DAY
from charts.verdict import Rulebook, Rules, Verdict
from charts.window import DAY_MS, HOUR_MS, MINUTE_MS
from tables import partition
from tables import tally_keys as k
from tables.partition import Partition, Update
from tables.recovery import OFFSET_KEY, apply_run, claimed
from tables.rocks import RocksOptions, rows
from tests.charts.test_ranking import Play as Cell
from tests.charts.test_ranking import seen, wanted
from tests.tables.walked import Record, Walk

NUMBER, TOP_N = 0, 2
DAY = 20_000
EVENING = DAY * DAY_MS + 20 * HOUR_MS
#: From midnight on others are patient for a minute only, and a third partition takes some of the tracks.
BOOK = Rulebook.of({0: Rules(partitions=2), DAY + 1: Rules(partitions=3, lateness_ms=MINUTE_MS)})

#: Three at home here on the first day, three on the second, one on neither.
TRACKS = "abcfgnd"
#: The time between records, and how long ago they were played.
PASSES = [0] * 40 + [1, MINUTE_MS, 20 * MINUTE_MS, HOUR_MS]
AGO = [0] * 9 + [1, MINUTE_MS, HOUR_MS, 2 * HOUR_MS, 4 * HOUR_MS, -6 * MINUTE_MS]
#: Seed and number of the records that arrive, and how many are read.
arrivals = st.tuples(st.integers(0, 1 << 32), st.integers(0, 30), st.sampled_from([40, 5, 1]))
#: How much of a flush reached the changelog.
shares = st.integers(0, 10).map(lambda tenths: tenths / 10)
#: RocksDB opens ten times faster in memory, and nothing here is about power loss.
MEMORY = Path("/dev/shm")
Arrivals = tuple[int, int, int]
ChangelogRecord = tuple[bytes, bytes | None]
#: By offset; None is a hole that compaction left.
Changelog = list[ChangelogRecord | None]


class Folder:
    """RocksDB in a folder that may be wiped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = RocksOptions().open(path)

    def wipe(self) -> None:
        self.close()
        shutil.rmtree(self.path)
        self.db = RocksOptions().open(self.path)

    def close(self) -> None:
        self.db.close()

    def recover(self, changelog: Changelog, cut: int) -> None:
        """What Faust does before it hands the partition over: the changelog in runs, from where we are."""
        for first in range(claimed(self.db) + 1, len(changelog), cut):
            end = min(first + cut, len(changelog))
            part = {at: changelog[at] for at in range(first, end) if changelog[at] is not None}
            keys, values = [key for key, _ in part.values()], [value for _, value in part.values()]
            offsets = np.array(list(part), np.int64)
            apply_run(self.db, ChangelogRun(NUMBER, first, end, keys, values, offsets))


class Counting(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="counting-", dir=MEMORY if MEMORY.exists() else None))
        self.folder = Folder(self.root / "owner")
        self.walk = Walk(NUMBER, BOOK)
        self.changelog: Changelog = []
        #: Flushes until a zombie's writes are written over: one notices, one writes.
        self.foreign = 0
        #: What a zombie will write when it wakes, and the greatest `settled` anybody has used.
        self.ghost: list[ChangelogRecord] = []
        self.settled = 0
        self.sent: list[Sending] = []
        self.part = self.opened(self.folder)

    def teardown(self) -> None:
        if hasattr(self, "root"):
            self.folder.close()
            shutil.rmtree(self.root)

    # -- the owner

    @rule(arriving=arrivals, settles=st.booleans(), again=st.booleans())
    def flush(self, arriving: Arrivals, settles: bool, again: bool) -> None:
        self.arrive_and_read(self.part, arriving)
        if again:
            # A rebalance that changed nothing: memory stays, what was not flushed is read again.
            self.part.forget_pending()
            self.take(self.part, arriving[2])
        update = self.prepare(self.part, settles)
        self.append(update.records)
        last = self.append([(k.MARKER, update.marker.encode())])
        self.part.store(update, last)
        self.foreign = max(0, self.foreign - 1)
        self.check()

    @rule(
        arriving=arrivals, settles=st.booleans(), written=shares, wiped=st.booleans(), cut=st.integers(1, 50)
    )
    def die_in_a_flush(
        self, arriving: Arrivals, settles: bool, written: float, wiped: bool, cut: int
    ) -> None:
        """Only a part of it reached the changelog; 1.0 is all of it, the marker too."""
        self.arrive_and_read(self.part, arriving)
        update = self.prepare(self.part, settles)
        records = [*update.records, (k.MARKER, update.marker.encode())]
        self.changelog += records[: round(written * len(records))]
        self.crash(wiped, cut)

    @rule()
    def final_boards_are_withdrawn(self) -> None:
        """And the names with them that no board shows any more."""
        over_ms = self.part.marker.settled * HOUR_MS
        self.part.lists.drop([place for place in self.part.lists.places() if place.window.end <= over_ms])
        self.part.forget_names()
        self.check()
        shown = {track for board in self.part.lists.lists.values() for track in board.counts}
        assert set(self.part.names) == shown

    @rule(wiped=st.booleans(), cut=st.integers(1, 50))
    def crash(self, wiped: bool, cut: int) -> None:
        # Whoever recovers has noticed.
        self.foreign = min(1, self.foreign)
        if wiped:
            self.folder.wipe()
        self.folder.recover(self.changelog, cut)
        self.part = self.opened(self.folder)
        self.check()

    # -- a zombie: it owned the partition, was stopped while it flushed, and finds its pen again

    @precondition(lambda self: not self.ghost)
    @rule(arriving=arrivals, settles=st.booleans(), written=shares)
    def another_owner_is_stopped(self, arriving: Arrivals, settles: bool, written: float) -> None:
        folder = Folder(self.root / "zombie")
        folder.recover(self.changelog, 50)
        zombie = self.opened(folder)
        self.arrive_and_read(zombie, arriving)
        update = self.prepare(zombie, settles)
        folder.close()
        shutil.rmtree(folder.path)
        records = [*update.records, (k.MARKER, update.marker.encode())]
        self.ghost = records[: round(written * len(records))]

    @precondition(lambda self: self.ghost)
    @rule()
    def the_zombie_wakes(self) -> None:
        self.changelog += self.ghost
        self.ghost = []
        self.foreign = 2

    # -- the broker

    @precondition(lambda self: not self.foreign)
    @rule()
    def compaction(self) -> None:
        """Of each key the last record stays, tombstones go; not before foreign writes are written over."""
        last = {record[0]: at for at, record in enumerate(self.changelog) if record is not None}
        kept = {at for at in last.values() if self.changelog[at][1] is not None}
        self.changelog = [record if at in kept else None for at, record in enumerate(self.changelog)]

    @rule(arriving=arrivals, later=arrivals, written=shares, dies=st.booleans(), cut=st.integers(1, 50))
    def a_zombie_wakes_before_compaction(
        self, arriving: Arrivals, later: Arrivals, written: float, dies: bool, cut: int
    ) -> None:
        """All of it in the order that hurts: its older records come last, and then nothing else is left."""
        if not self.ghost:
            self.another_owner_is_stopped(arriving, False, written)
        self.flush(later, False, False)
        self.the_zombie_wakes()
        if dies:
            self.flush(later, False, False)
            self.crash(False, cut)
        while self.foreign:
            self.flush((0, 0, 0), False, False)
        self.compaction()
        self.crash(True, cut)

    # -- how it is done

    def arrive_and_read(self, part: Partition, arriving: Arrivals) -> None:
        seed, count, reads = arriving
        dice = random.Random(seed)
        for _ in range(count):
            self.walk.append(self.record(dice))
        self.take(part, reads)

    def record(self, dice: random.Random) -> Record:
        time = max(self.walk.time, EVENING) + dice.choice(PASSES)
        if dice.random() < 0.1:
            # A tick, or what is no play.
            return Record(time, tick=dice.random() < 0.5)
        play = Play(
            play_id=str(dice.randrange(30)),
            user_id="u",
            track_id=(track := dice.choice(TRACKS)),
            region=dice.choice(["DE", "SE"]),
            played_at=time - dice.choice(AGO),
            ms_played=dice.choice([180_000] * 9 + [1]),
            title=f"title\0 of {track}",
        )
        # No hour is final while a play that counts in it is on its way.
        forwarded = play.played_at // HOUR_MS >= self.settled and dice.random() < 0.2
        return Record(time, play, (1, 7) if forwarded else None)

    def opened(self, folder: Folder) -> Partition:
        part = Partition(NUMBER, folder.db, TOP_N, duplicates=True)
        part.load()
        assert part.expected in (part.marker.applied + 1, None)
        return part

    def take(self, part: Partition, count: int) -> None:
        """What tables/tally.py does with a run."""
        start = part.expected or 0
        run = self.walk.run(start, start + count)
        if len(run):
            taken = Taken.of(take_in(run, part.time_read, BOOK))
            part.expected = run.next
            part.time_read = taken.time_after
            part.take(taken)

    def prepare(self, part: Partition, settles: bool) -> Update:
        """A flush, told that as much is final as may be, or nothing."""
        settled = 0
        if settles:
            offsets = [offset for offset, record in enumerate(self.walk.records) if record.origin]
            open_hours = [self.walk.judged[offset].hour for offset in offsets if offset > part.marker.applied]
            settled = min([settled_hour(part.marker.stream_time, BOOK), *open_hours])
        update = part.prepare(settled)
        self.settled = max(self.settled, update.marker.settled)
        self.sent += update.sendings
        return update

    def append(self, records: list[ChangelogRecord]) -> int:
        """What tables/tally.py does when it finds that somebody else wrote."""
        expected = self.part.changelog_next or 0
        if records:
            foreign = self.changelog[expected:]
            self.part.rewrite |= {record[0] for record in foreign if record is not None}
            if foreign and self.part.unread is None:
                self.part.unread = expected
            self.changelog += records
            self.part.changelog_next = len(self.changelog)
        return len(self.changelog) - 1

    # -- what must hold

    def check(self) -> None:
        marker = self.part.marker
        assert marker.ledger == self.walk.ledger(marker.applied)
        assert sum(marker.ledger) == marker.applied + 1
        assert marker.stream_time == (
            self.walk.judged[marker.applied].stream_time if marker.applied >= 0 else 0
        )
        held = self.check_tallies()
        self.check_boards(held)
        self.check_memory()
        self.check_sent()

    def check_tallies(self) -> list[Cell]:
        """Every value holds the plays up to its fence or the marker; tells all plays that are held."""
        marker, settled = self.part.marker, self.part.marker.settled
        first = key_of(settled // 24, b"")
        values = [(key, value) for key, value in rows(self.part.db, first, k.META) if key != OFFSET_KEY]
        reach = {key: max(fence_of(value), marker.applied) for key, value in values}
        held = [
            cell
            for offset, cell in self.walk.cells()
            if cell[0] >= settled // 24 and offset <= reach.get(key_of(cell[0], cell[1]), marker.applied)
        ]
        found: Counter[Cell] = Counter()
        for key, value in values:
            day = int.from_bytes(key[:DAY_BYTES], "big")
            cells = Stored.of([value]).cells
            for code, plays in zip(cells.code.tolist(), cells.plays.tolist(), strict=True):
                found[day, key[DAY_BYTES:], code >> 8, code & HOUR_MASK] += plays
        expected = Counter(
            word for d, t, r, h in held for word in product([d], [t], [r, ALL], [h, WHOLE_DAY])
        )
        assert still_open(found, settled) == still_open(expected, settled)
        return held

    def check_boards(self, held: list[Cell]) -> None:
        open_ms = self.part.marker.settled * HOUR_MS
        boards = {p: board for p, board in seen(self.part.lists).items() if p.window.end > open_ms}
        assert boards == {p: board for p, board in wanted(held, TOP_N).items() if p.window.end > open_ms}
        # A tally that ran ahead of its marker brought no name if its writer's list had no room for the track.
        applied = self.part.marker.applied
        told = {cell[1] for offset, cell in self.walk.cells() if offset <= applied}
        for _, _, first in boards.values():
            for track, _ in first:
                if track in told or track in self.part.names:
                    assert self.part.names[track] == (f"title of {track.decode()}", None)

    def check_memory(self) -> None:
        """Receipts: every record that is a play, once, for as long as its hour is not final."""
        applied, settled = self.part.marker.applied, self.part.marker.settled
        judged = [(at, one) for at, one in enumerate(self.walk.judged[: applied + 1]) if one.play]
        for identity in {one.identity for _, one in judged}:
            found = self.part.find(identity)
            mine = {(at, one.verdict): one for at, one in judged if one.identity == identity}
            kept = {
                known
                for known, one in mine.items()
                if (one.hour if one.verdict is Verdict.counted else one.stream_time // HOUR_MS) >= settled
            }
            assert kept <= set(found) <= set(mine)
            assert len(found) == len(set(found))

    def check_sent(self) -> None:
        """Everything that goes elsewhere was handed out to be sent, and nothing else."""
        elsewhere = {Verdict.forwarded, Verdict.malformed, Verdict.early, Verdict.late}
        applied = self.part.marker.applied
        sent = {sending.value for sending in self.sent}
        must = {
            record.value
            for record, one in list(zip(self.walk.records, self.walk.judged, strict=True))[: applied + 1]
            if one.verdict in elsewhere
        }
        assert must <= sent


def still_open(words: Counter[Cell], settled: int) -> Counter[Cell]:
    """Without the hours that are final: they may be there still, or not."""
    return Counter(
        {
            (day, track, region, hour): plays
            for (day, track, region, hour), plays in words.items()
            if hour == WHOLE_DAY or day * 24 + hour >= settled
        }
    )


TestCounting = Counting.TestCase
TestCounting.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)

#: What must not be left out; without the first two a zombie's older values are all that compaction leaves.
OMISSIONS = {
    "rewrites": (Partition, "_add_rewrites", lambda part, update: None),
    "what recovery noticed": (partition, "overwritten", lambda db: set()),
    "what memory forgets": (Partition, "forget_pending", lambda part: None),
}


@pytest.mark.parametrize("omission", OMISSIONS)
def test_the_walk_notices_what_is_left_out(omission: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*OMISSIONS[omission])
    generate = settings(
        max_examples=100,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Counting, settings=generate)
