"""One partition's counting: what is durable in RocksDB, what memory keeps beside it, what is pending.

`prepare` turns the pending plays into new values without writing anything; `store` writes them. What happens
between the two, and why in that order, is the flush protocol: tables/flush.py.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import rocksdict

from charts.head import Head
from charts.identity import Hashes
from charts.keyed import Keyed
from charts.landing import Landing, Sending, Taken, note, read_note
from charts.marker import Marker
from charts.ranking import TopLists
from charts.remembered import Remembered
from charts.tally import Changes, Ints, Stored, add, all_new, days_of, key_of
from charts.verdict import LANDS, Verdict
from charts.window import HOUR_MS
from tables import tally_keys as k
from tables.recovery import OFFSET_KEY, overwritten
from tables.rocks import rows

#: Tallies read at once when the lists are rebuilt.
_LOAD_ROWS = 200_000
#: Expired keys deleted in one flush, so that the end of a day holds nothing up.
_SWEEP_KEYS = 50_000


@dataclass(slots=True, eq=False)
class Update:
    """What one flush will write."""

    marker: Marker
    #: For the changelog and the store alike; None deletes.
    records: list[tuple[bytes, bytes | None]]
    sendings: list[Sending]
    rows: int = 0
    #: Keys that were overwritten in the changelog, and are not once this is written.
    mended: set[bytes] = field(default_factory=set)
    #: When its plays were played, on average of its runs.
    played_at: float | None = None


class Partition:
    """The state of one partition while this worker owns it."""

    def __init__(self, number: int, db: Any, top_n: int, *, duplicates: bool, fences: bool = True) -> None:
        self.number = number
        self.db = db
        self.duplicates = duplicates
        self.fences = fences
        self.marker = Marker()
        #: The marker whose boards we have sent; None after a load: those that are out may be older than it.
        self.published: Marker | None = None
        #: Event time as the head tells it; never goes back.
        self.clock = 0
        self.remembered = Remembered()
        self.excluded = Remembered()
        self.lists = TopLists(top_n)
        self.names: dict[bytes, tuple[str | None, str | None]] = {}
        #: Where reading goes on; None: wherever the log begins.
        self.expected: int | None = None
        #: The stream time of what was read, ahead of the marker's.
        self.time_read = 0
        self.pending: list[Taken] = []
        self.pending_rows = 0
        self.accepting = False
        #: Where a run began that left something out, and how often it has come so.
        self.hole: tuple[int, int] | None = None
        #: The changelog offset our last write left in the store; another one there, and somebody wrote.
        self.stored_offset: bytes | None = None
        #: The changelog offset our next record must get; another one says that somebody else wrote.
        self.changelog_next: int | None = None
        #: The first changelog offset that somebody else wrote: the store does not include it, nor claim it.
        self.unread: int | None = None
        #: Keys a zombie wrote after us: to be written again. A crash forgets none: who recovers finds them.
        self.rewrite: set[bytes] = set()
        #: Expired keys may be left, from this tally key on.
        self._to_sweep = True
        self._swept = key_of(0, b"")

    # -- taking in

    def take(self, taken: Taken) -> None:
        self.pending.append(taken)
        self.pending_rows += len(taken.verdicts)

    def forget_pending(self) -> None:
        """Go back to the marker: what was not flushed will be read again."""
        self.pending, self.pending_rows = [], 0
        self.expected = self.marker.applied + 1 if self.marker.applied >= 0 else None
        self.time_read = self.marker.stream_time
        self.hole = None

    def go_on_from(self, head: Head | None) -> None:
        """An idle partition's clock goes on where its last owner had it, or our heads would not count."""
        if head is not None and head.applied <= self.marker.applied:
            self.clock = max(self.clock, head.clock)

    # -- a flush: prepare, then store

    def prepare(self, settled: int) -> Update:
        """The values and the marker that include everything pending."""
        taken, self.pending, self.pending_rows = self.pending, [], 0
        update = Update(replace(self.marker, settled=max(settled, self.marker.settled)), [], [])
        if taken:
            self._count(taken, update)
        update.records += self._expired()
        self._add_rewrites(update)
        return update

    def store(self, update: Update, changelog_last: int) -> None:
        """Write a flush in one atomic batch, then bring memory up to it."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, value in update.records:
            if value is None:
                delete(key)
            else:
                put(key, value)
        for key in update.mended:
            delete(k.OVERWRITTEN + key)
        put(k.MARKER, update.marker.encode())
        claimed = changelog_last if self.unread is None else self.unread - 1
        put(OFFSET_KEY, str(claimed).encode())
        self.db.write(batch)
        self.stored_offset = str(claimed).encode()
        settled_before, self.marker = self.marker.settled, update.marker
        if self.marker.settled > settled_before:
            self.remembered.forget(self.marker.settled)
            self.excluded.forget(self.marker.settled)
            self._to_sweep = True

    def _count(self, taken: list[Taken], update: Update) -> None:
        applied, time = taken[-1].applied, taken[-1].time_after
        absent = sum(part.absent for part in taken)
        verdicts = np.concatenate([part.verdicts for part in taken]).astype(np.int64)
        excluded = (
            np.concatenate([part.excluded for part in taken]),
            np.concatenate([part.notes for part in taken]),
        )
        played = [part.played_at for part in taken if part.played_at is not None]
        update.played_at = sum(played) / len(played) if played else None
        update.sendings = [sending for part in taken for sending in part.sendings]
        landing = Landing.concat([part.landing for part in taken])
        # All that is left to do stands in here: memory need not hold it twice, the caller's neither.
        taken.clear()
        counts = self._first_of_identity(landing, update.marker.settled)
        verdicts[verdicts == LANDS] = np.where(counts, Verdict.counted, Verdict.duplicate)
        update.rows = len(verdicts)
        update.marker = update.marker.advance(applied, time, verdicts, absent)
        self._add_identities(landing, counts, excluded, time // HOUR_MS, update)
        landing = landing.take(np.flatnonzero(counts))
        if len(landing):
            self._add_tallies(Keyed.of(landing), update)

    def _first_of_identity(self, landing: Landing, settled: int) -> np.ndarray:
        """Which plays are the first of their identity.

        A forwarded play of a final hour can only be a repeat: the hour did not become final before every
        play forwarded to it was applied.
        """
        counts = ~(landing.arrived & (landing.hour < settled))
        if self.duplicates:
            open_rows = np.flatnonzero(counts)
            new = self.remembered.admit(
                landing.hour[open_rows], landing.identity[open_rows], landing.offset[open_rows]
            )
            counts[open_rows] = new
        return counts

    def _add_identities(
        self, landing: Landing, counts: np.ndarray, excluded: tuple[Hashes, Ints], now: int, update: Update
    ) -> None:
        """Remember who counted and who did not, and store both with their offsets."""
        if not self.duplicates:
            return
        for hour in np.unique(landing.hour[counts]).tolist():
            rows_ = np.flatnonzero(counts & (landing.hour == hour))
            update.records += k.pack_identities(k.IDS, hour, landing.identity[rows_], landing.offset[rows_])
        again = np.flatnonzero(~counts)
        repeated = np.full(len(again), Verdict.duplicate, np.int8)
        identities = np.concatenate([excluded[0], landing.identity[again]])
        notes = np.concatenate([excluded[1], note(landing.offset[again], repeated)])
        order = np.argsort(notes)
        self.excluded.note(now, identities, notes)
        update.records += k.pack_identities(k.OUT, now, identities[order], notes[order])

    def _add_tallies(self, keyed: Keyed, update: Update) -> None:
        """The tallies of the played tracks, each play added where the fence says it is missing."""
        values: list[bytes] = []
        changes = Changes(len(keyed.key))
        for piece in keyed.pieces():
            stored = Stored.of(self.db.get(piece.keys))
            fences = stored.fences if self.fences else np.full(len(piece.keys), -1)
            # By the marker already stored: if this is cut short, the old one must find its hours whole.
            oldest = self.marker.settled - piece.days * 24
            after = np.maximum(fences, update.marker.applied)
            values += add(stored, piece.fresh(fences), after, oldest, changes, piece.first)
        listed = self.lists.update(keyed.keys, keyed.days, changes.whole)
        # Names first: a tally that survives a flush cut short has its names with it.
        update.records += self._learn_names(keyed, listed)
        update.records += zip(keyed.keys, values, strict=True)

    def _learn_names(self, keyed: Keyed, listed: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
        """Names of tracks that came onto a list and have none yet."""
        wanted = [track for track in listed if track not in self.names]
        names = keyed.names([listed[track] for track in wanted])
        self.names.update(zip(wanted, names, strict=True))
        return [
            (k.NAME + track, k.pack_name(title, artist))
            for track, (title, artist) in zip(wanted, names, strict=True)
            if title or artist
        ]

    def _listed(self) -> set[bytes]:
        return {track for board in self.lists.lists.values() for track in board.counts}

    # -- forgetting

    def forget_names(self) -> None:
        """Let go of the names of tracks that are on no list any more; one that comes back brings its own."""
        listed = self._listed()
        self.names = {track: name for track, name in self.names.items() if track in listed}

    def _expired(self) -> list[tuple[bytes, None]]:
        """Keys whose time is over by the marker already stored, some of them at a time."""
        if not self._to_sweep:
            return []
        settled = self.marker.settled
        day_end = key_of(settled // 24, b"")
        expired: list[tuple[bytes, None]] = []
        for first, end in (
            (self._swept, day_end),
            (k.IDS, k.hour_key(k.IDS, settled)),
            (k.OUT, k.hour_key(k.OUT, settled)),
        ):
            for key, _ in rows(self.db, first, end):
                if len(expired) >= _SWEEP_KEYS:
                    return expired
                if key != OFFSET_KEY:
                    expired.append((key, None))
                    if key < k.META:
                        self._swept = key
        self._to_sweep = False
        return expired

    def _add_rewrites(self, update: Update) -> None:
        """What a zombie wrote after us is written again; what we do not hold is none of ours to delete."""
        if not self.rewrite:
            return
        written = {key for key, _ in update.records}
        again = sorted(self.rewrite - written - {k.MARKER})
        held = zip(again, self.db.get(again), strict=True)
        update.records += [(key, value) for key, value in held if value is not None]
        update.mended, self.rewrite = self.rewrite, set()

    # -- loading

    def load(self) -> None:
        """Bring memory up to what the store holds; only tallies may be ahead of the marker."""
        stored = self.db.get(k.MARKER)
        self.marker = Marker.decode(stored) if stored is not None else Marker()
        self.stored_offset = self.db.get(OFFSET_KEY)
        self.changelog_next = int(self.stored_offset) + 1 if self.stored_offset is not None else None
        self.rewrite = overwritten(self.db)
        self._load_tallies()
        self._load_identities(self.remembered, k.IDS, self.marker.applied)
        last_note = int(note(np.array([self.marker.applied]), np.array([Verdict.capped], np.int8))[0])
        self._load_identities(self.excluded, k.OUT, last_note)
        listed = self._listed()
        for key, value in rows(self.db, k.NAME, k.end_of(k.NAME)):
            if key[len(k.NAME) :] in listed:
                self.names[key[len(k.NAME) :]] = k.unpack_name(value)
        self.published = None
        self.forget_pending()

    def _load_tallies(self) -> None:
        first = key_of(self.marker.settled // 24, b"")
        keys: list[bytes] = []
        values: list[bytes] = []
        for key, value in rows(self.db, first, k.META):
            if key != OFFSET_KEY:
                keys.append(key)
                values.append(value)
            if len(keys) == _LOAD_ROWS:
                self._list(keys, values)
                keys, values = [], []
        self._list(keys, values)

    def _list(self, keys: list[bytes], values: list[bytes]) -> None:
        if keys:
            days = days_of(keys)
            cells = Stored.of(values).cells.since(days, self.marker.settled)
            self.lists.update(keys, days, all_new(cells))

    def _load_identities(self, into: Remembered, prefix: bytes, last_note: int) -> None:
        """Identities up to the marker: a flush that was cut off may have written more."""
        by_hour: dict[int, list[tuple[Any, Ints]]] = {}
        for key, value in rows(self.db, k.hour_key(prefix, self.marker.settled), k.end_of(prefix)):
            hour, hashes, notes = k.unpack_identities(key, value)
            kept = notes <= last_note
            by_hour.setdefault(hour, []).append((hashes[kept], notes[kept]))
        for hour, parts in by_hour.items():
            into.load(hour, np.concatenate([h for h, _ in parts]), np.concatenate([n for _, n in parts]))

    # -- asking

    def find(self, identity: int) -> list[tuple[int, Verdict]]:
        """(offset, verdict) of every record of this identity that is still remembered."""
        counted = {(offset, Verdict.counted) for _, offset in self.remembered.find(identity)}
        others = {read_note(noted) for _, noted in self.excluded.find(identity)}
        return sorted(counted | others)
