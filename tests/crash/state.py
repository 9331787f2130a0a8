"""The state: what workers left behind, read in every way another worker might read it.

    a folder     RocksDB, brought up by the changelog from the offset the folder claims to include
    a changelog  read alone, of two values the one with the higher fence

Both must say what the truth says. A folder is checked whoever owned it last: a folder that claims what it
does not hold is a wrong count that waits for its owner.
"""

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson
import rocksdict

from tests.crash.oracle import Cell, Log, Truth

_OFFSET_KEY = b"__faust\0offset__"
_MARKER = b"\xffmarker"
_NO_MARKER = b'{"applied": -1, "ledger": {}, "settled": 0, "stream_time": 0}'
#: Instead of an hour, the whole day; instead of a region, all.
_DAY, _ALL = 255, ""

Values = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Folder:
    """One partition's RocksDB of one worker."""

    path: Path
    partition: int
    #: The last changelog offset it claims to include.
    claimed: int
    values: Values

    @classmethod
    def read(cls, path: Path) -> "Folder":
        options = rocksdict.Options(raw_mode=True)
        db = rocksdict.Rdict(str(path), options=options, access_type=rocksdict.AccessType.read_only())
        values = dict(db.items())
        db.close()
        claimed = int(values.pop(_OFFSET_KEY, b"-1"))
        return cls(path, int(path.stem.rsplit("-", 1)[1]), claimed, values)


def folders(data_dir: Path) -> list[Folder]:
    """Every partition folder of every worker."""
    return [Folder.read(path) for path in sorted(data_dir.rglob("tally-*.db"))]


def replay(values: Values, changelog: Iterable[tuple[bytes | None, bytes | None]]) -> Values:
    """The values after these changelog records."""
    values = dict(values)
    for key, value in changelog:
        if key is None:
            continue
        if value is None:
            values.pop(key, None)
        elif key not in values or _rank(key, value) >= _rank(key, values[key]):
            values[key] = value
    return values


def _rank(key: bytes, value: bytes) -> int:
    """Of two values of a key the higher holds."""
    if key == _MARKER:
        return orjson.loads(value)["applied"]
    if key < b"\xff":
        return struct.unpack("<Q", value[:8])[0]
    return len(value)


def counted(truth: Truth, tracks: set[str]) -> Counter[Cell]:
    """What the tallies of these tracks must hold, sums and all."""
    return _summed(Counter({cell: count for cell, count in truth.cells.items() if cell[1] in tracks}))


def differences(values: Values, truth: Truth, partition: int, counts: Counter[Cell], end: int) -> list[str]:
    """Where one partition's values and the truth differ, in what is not over yet."""
    marker = orjson.loads(values.get(_MARKER, _NO_MARKER))
    settled = marker["settled"]
    found = []
    if marker["applied"] != end - 1:
        found.append(f"marker at {marker['applied']}, the log ends at {end}")
    ledger = {name: count for name, count in marker["ledger"].items() if count}
    if ledger != dict(truth.ledgers[partition]):
        found.append(f"ledger {ledger}, not {dict(truth.ledgers[partition])}")
    if sum(ledger.values()) != end:
        found.append(f"the ledger adds up to {sum(ledger.values())}, not {end}")
    if marker["stream_time"] != truth.stream_times[partition]:
        found.append(f"stream time {marker['stream_time']}, not {truth.stream_times[partition]}")
    wanted, held = _kept(counts, settled), _kept(_cells(values), settled)
    # Only what differs is put in order: there may be a million cells.
    for cell in sorted({cell for cell, _ in wanted.items() ^ held.items()}):
        found.append(f"{cell}: {held.get(cell, 0)}, not {wanted.get(cell, 0)}")
    return found


def _cells(values: Values) -> Counter[Cell]:
    """The counts in the tallies: by region and hour, and the sums over either and both."""
    cells: Counter[Cell] = Counter()
    for key, value in values.items():
        if key < b"\xff":
            day, track = int.from_bytes(key[:2], "big"), key[2:].decode()
            for (word,) in struct.iter_unpack("<Q", value[8:]):
                region = chr(word >> 16 & 0xFF) + chr(word >> 8 & 0xFF) if word >> 8 & 0xFFFF else _ALL
                cells[(day, track, region, word & 0xFF)] += word >> 24
    return cells


def _summed(counts: Counter[Cell]) -> Counter[Cell]:
    cells: Counter[Cell] = Counter()
    for (day, track, region, hour), count in counts.items():
        for cell in ((region, hour), (region, _DAY), (_ALL, hour), (_ALL, _DAY)):
            cells[(day, track, *cell)] += count
    return cells


def _kept(cells: Counter[Cell], settled: int) -> dict[Cell, int]:
    """Without what is over: hours that are final, days all of whose hours are."""
    return {
        cell: count
        for cell, count in cells.items()
        if count and cell[0] >= settled // 24 and (cell[3] == _DAY or cell[0] * 24 + cell[3] >= settled)
    }


def changelog_after(log: Log, partition: int, offset: int) -> Iterable[tuple[bytes | None, bytes | None]]:
    return ((record.key, record.value) for record in log[partition] if record.offset > offset)
