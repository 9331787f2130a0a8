"""The heap: what is freed goes back to the system.

Runs come and go in arrays of megabytes, made in one thread and freed in another. Left alone, glibc keeps an
arena per thread and Arrow a pool of its own, each of which remembers its worst moment, and a page goes back
only from an arena's end: a worker weighs twice what it holds. Where there is no glibc, its allocator does as
it likes.
"""

import ctypes
import sys
from typing import Any

import pyarrow as pa

#: The names of <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MIB = 1 << 20
_LIBC = ctypes.CDLL(None)


def confine() -> None:
    """Before the first large array: two arenas for all threads, Arrow's too, and the largest in none."""
    pa.set_memory_pool(pa.system_memory_pool())
    if hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_M_ARENA_MAX, 2)
        _LIBC.mallopt(_M_MMAP_THRESHOLD, 4 * _MIB)
        _LIBC.mallopt(_M_TRIM_THRESHOLD, 64 * _MIB)


class _NoPandas:
    """A finder of modules that says: there is no pandas."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def leave_out_pandas() -> None:
    """Where pandas is installed, Arrow would load it with its first array: forty megabytes, for nothing.

    It looks once. Whoever asks Arrow for a data frame still gets one.
    """
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _NoPandas)
        try:
            pa.array([])
        finally:
            sys.meta_path.remove(_NoPandas)


def give_back() -> None:
    """Free pages wherever they lie; some ten milliseconds, for a thread."""
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)
