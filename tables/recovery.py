"""Recovery: the changelog into a partition's store, the highest fence winning.

A paused worker that lost its partition can still append. What it writes is older, never wrong; but it comes
last, and compaction would leave nothing else. So the store notes which keys were written over (OVERWRITTEN),
in the batch that reads past them: whoever owns the partition writes those again, however often it crashes.
"""

from typing import Any

import rocksdict

from charts.marker import Marker
from charts.run import ChangelogRun
from charts.tally import fence_of
from tables.rocks import rows
from tables.tally_keys import IDS, MARKER, META, OUT, OVERWRITTEN, end_of

#: Faust's own key for the changelog offset the store includes.
OFFSET_KEY = b"__faust\0offset__"


def claimed(db: Any) -> int:
    """The last changelog offset a store includes."""
    return int(db.get(OFFSET_KEY) or -1)


def overwritten(db: Any) -> set[bytes]:
    """The keys whose last record in the changelog is older than what the store has."""
    return {key[len(OVERWRITTEN) :] for key, _ in rows(db, OVERWRITTEN, end_of(OVERWRITTEN))}


def apply_run(db: Any, run: ChangelogRun) -> None:
    """A run of the changelog into a store, in one batch; what is older than the store's is only noted."""
    write = rocksdict.WriteBatch(raw_mode=True)
    records, older = newer(db, run)
    for key, value in records:
        if value is None:
            write.delete(key)
        else:
            write.put(key, value)
    for key in overwritten(db).intersection(run.keys) - older:
        write.delete(OVERWRITTEN + key)
    for key in older:
        write.put(OVERWRITTEN + key, b"")
    write.put(OFFSET_KEY, str(max(claimed(db), run.next - 1)).encode())
    db.write(write)


def newer(db: Any, run: ChangelogRun) -> tuple[list[tuple[bytes, bytes | None]], set[bytes]]:
    """What of a changelog run may replace what the store has; and the keys that end in an older record."""
    last: dict[bytes, bytes | None] = {}
    older: set[bytes] = set()
    for key, value in zip(run.keys, run.values, strict=True):
        if key is None:
            continue
        if _is_older(value, last.get(key), key):
            older.add(key)
        else:
            last[key] = value
            older.discard(key)
    records = []
    for (key, value), known in zip(last.items(), db.get(list(last)), strict=True):
        if _is_older(value, known, key):
            older.add(key)
        else:
            records.append((key, value))
    return records, older


def _is_older(value: bytes | None, known: bytes | None, key: bytes) -> bool:
    if value is None or known is None:
        return False
    if key < META:
        return fence_of(value) < fence_of(known)
    if key.startswith((IDS, OUT)):
        # Of two records that begin at the same offset, the longer holds the shorter.
        return len(value) < len(known)
    return key == MARKER and _reach(value) < _reach(known)


def _reach(marker: bytes) -> tuple[int, int]:
    """How far a marker is: what it applied, and what it settled."""
    decoded = Marker.decode(marker)
    return decoded.applied, decoded.settled
