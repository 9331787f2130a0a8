"""RocksDB as the tally uses it: bounded memory, and a folder that repairs itself from the changelog."""

import logging
import shutil
from pathlib import Path
from typing import Any

import rocksdict

log = logging.getLogger(__name__)

_MIB = 1 << 20
_WRITE_BUFFER = 16 * _MIB
_BLOCK_CACHE = 32 * _MIB
#: Bits of Bloom filter a key: most tracks of a flush are new to the day.
_BLOOM_BITS = 10


class RocksOptions:
    """How Faust's store opens a partition's folder."""

    def __init__(self) -> None:
        self._cache = rocksdict.Cache(_BLOCK_CACHE)

    def open(self, path: Path, *, read_only: bool = False) -> Any:
        """Open the folder; one that cannot be read is set aside, and recovered from the changelog."""
        try:
            return rocksdict.Rdict(str(path), options=self._options())
        except Exception as error:
            if "lock" in str(error).lower() or not path.exists():
                raise
            log.error("%s cannot be read (%s): it is rebuilt from the changelog", path, error)
            shutil.rmtree(path)
            return rocksdict.Rdict(str(path), options=self._options())

    def _options(self) -> Any:
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_size(_WRITE_BUFFER)
        options.set_max_write_buffer_number(3)
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
    for key, value in db.items(from_key=first):
        if key >= end:
            return
        yield key, value
