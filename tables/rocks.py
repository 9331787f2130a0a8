"""RocksDB as the tally uses it: bounded memory, and a folder that is rebuilt from the changelog when damaged.

Whatever RocksDB cannot do ends the worker in one line; a folder it cannot read is condemned first, so that
the next start makes it anew. A full disk condemns nothing: what is there is still right.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rocksdict

from charts.errors import BrokenStore

log = logging.getLogger(__name__)

_MIB = 1 << 20
#: Written and not yet in a file, two of them a partition: larger ones weigh more and are no faster.
_WRITE_BUFFER = 8 * _MIB
_BLOCK_CACHE = 32 * _MIB
#: Bits of Bloom filter a key: most tracks of a flush are new to the day.
_BLOOM_BITS = 10
#: A file that says: this folder was found damaged.
_CONDEMNED = "CONDEMNED"
#: How RocksDB says that files are damaged, or gone.
_DAMAGED = ("Corruption:", "IO error: No such file")


class RocksOptions:
    """How Faust's store opens a partition's folder."""

    def __init__(self) -> None:
        self._cache = rocksdict.Cache(_BLOCK_CACHE)

    @property
    def cached_bytes(self) -> int:
        """What the cache holds, of all partitions together."""
        return int(self._cache.get_usage())

    def open(self, path: Path, *, read_only: bool = False) -> Any:
        """Open the folder; one that is damaged is removed, and recovered from the changelog."""
        if (path / _CONDEMNED).exists():
            log.error("%s was damaged: it is rebuilt from the changelog", path)
            shutil.rmtree(path)
        try:
            return rocksdict.Rdict(str(path), options=self._options())
        except Exception as error:
            if not str(error).startswith(_DAMAGED):
                raise
            log.error("%s cannot be read (%s): it is rebuilt from the changelog", path, error)
            shutil.rmtree(path)
            return rocksdict.Rdict(str(path), options=self._options())

    def _options(self) -> Any:
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_size(_WRITE_BUFFER)
        options.set_max_write_buffer_number(2)
        options.set_max_background_jobs(2)
        options.set_max_open_files(256)
        options.set_compression_type(rocksdict.DBCompressionType.lz4())
        table = rocksdict.BlockBasedOptions()
        table.set_bloom_filter(_BLOOM_BITS, False)
        table.set_block_cache(self._cache)
        options.set_block_based_table_factory(table)
        return options


def rows(db: Any, first: bytes, end: bytes) -> Any:
    """The keys and values of `[first, end)`, in order."""
    last = first
    for key, value in db.items(from_key=first):
        if key >= end:
            return
        yield key, value
        last = key
    # A walk ends at a damaged block as it does at the last key, without a word: look what comes next.
    beyond = db.iter()
    beyond.seek(last + b"\0")
    beyond.status()


@contextmanager
def translated(db: Any) -> Iterator[None]:
    """What RocksDB has to say as our own error; a folder that is damaged is condemned."""
    try:
        yield
    except Exception as error:
        # The driver knows no class of its own.
        if type(error) is not Exception:
            raise
        if str(error).startswith(_DAMAGED):
            Path(db.path(), _CONDEMNED).touch()
            raise BrokenStore(
                f"{db.path()} is damaged ({error}): the next start rebuilds it from the changelog"
            ) from error
        raise BrokenStore(f"{db.path()}: {error}") from error
