"""The heap: what is freed goes back to the system.

Runs come and go in arrays of megabytes, made in one thread and freed in another. Left alone, glibc keeps an
arena per thread and Arrow a pool of its own, each of which remembers its worst moment, and a page goes back
only from an arena's end: a worker weighs twice what it holds. Where there is no glibc, its allocator does as
it likes.
"""

import ctypes

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


def give_back() -> None:
    """Free pages wherever they lie; some ten milliseconds, for a thread."""
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)
