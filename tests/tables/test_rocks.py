"""Damaged folders: nothing is read past a damaged block as if it were the end, and what can be mended is."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import rocksdict
from faust.types import TP

from charts.errors import BrokenStore
from tables.recovery import OFFSET_KEY
from tables.rocks import RocksOptions, rows, translated
from tables.tally import Tally

KEYS = 20_000


def filled(path: Path) -> None:
    """A folder whose keys lie in a file, not in the log."""
    db = RocksOptions().open(path)
    batch = rocksdict.WriteBatch(raw_mode=True)
    for number in range(KEYS):
        batch.put(b"%08d" % number, bytes(range(60)))
    db.write(batch)
    db.flush()
    db.close()


def flip(file: Path, where: float) -> None:
    """Turn over some bytes, so far into the file."""
    content = bytearray(file.read_bytes())
    start = int(len(content) * where)
    content[start : start + 16] = bytes(byte ^ 0xFF for byte in content[start : start + 16])
    file.write_bytes(content)


@pytest.mark.parametrize("where", [0.01, 0.3, 0.8])
def test_a_walk_over_a_damaged_block_is_an_error_and_condemns_the_folder(
    tmp_path: Path, where: float
) -> None:
    path = tmp_path / "tally-0.db"
    filled(path)
    [file] = path.glob("*.sst")
    flip(file, where)
    db = RocksOptions().open(path)
    assert len(list(db.items())) < KEYS, "the driver itself says nothing"
    with (
        pytest.raises(BrokenStore, match=r"tally-0\.db is damaged \(Corruption: .*rebuilds it"),
        translated(db),
    ):
        list(rows(db, b"", b"\xff"))
    db.close()
    assert list(RocksOptions().open(path).items()) == [], "made anew"


def test_damage_that_recovery_meets_first_condemns_the_folder_too(tmp_path: Path) -> None:
    """Faust asks how far a folder goes before anything of ours has looked at it."""
    path = tmp_path / "tally-0.db"
    db = RocksOptions().open(path)
    db[OFFSET_KEY] = b"7"
    db.flush()
    db.close()
    [file] = path.glob("*.sst")
    flip(file, 0.0)
    db = RocksOptions().open(path)
    store = SimpleNamespace(
        _db_for_partition=lambda number: db, persisted_offset=lambda tp: int(db.get(OFFSET_KEY))
    )
    with pytest.raises(BrokenStore, match="is damaged"):
        Tally.persisted_offset(SimpleNamespace(data=store), TP("changelog", 0))
    db.close()
    assert RocksOptions().open(path).get(OFFSET_KEY) is None, "made anew"


def test_a_walk_to_the_end_and_one_that_stops_before_it(tmp_path: Path) -> None:
    path = tmp_path / "tally-0.db"
    filled(path)
    db = RocksOptions().open(path)
    assert len(list(rows(db, b"", b"\xff"))) == KEYS
    assert [key for key, _ in rows(db, b"00000007", b"00000009")] == [b"00000007", b"00000008"]
    assert list(rows(db, b"x", b"y")) == []


@pytest.mark.parametrize("name", ["*.sst", "MANIFEST-*", "CURRENT"])
def test_a_folder_that_lost_a_file_is_made_anew(tmp_path: Path, name: str) -> None:
    path = tmp_path / "tally-0.db"
    filled(path)
    [file] = path.glob(name)
    file.unlink()
    assert list(RocksOptions().open(path).items()) == []


def test_a_folder_whose_manifest_is_damaged_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "tally-0.db"
    filled(path)
    [file] = path.glob("MANIFEST-*")
    flip(file, 0.2)
    assert list(RocksOptions().open(path).items()) == []


def test_a_folder_somebody_else_has_open_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tally-0.db"
    filled(path)
    held = RocksOptions().open(path)
    with pytest.raises(Exception, match="lock"):
        RocksOptions().open(path)
    assert len(list(held.items())) == KEYS
