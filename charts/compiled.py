"""Compiling: functions over bytes and numbers that run as machine code, outside the GIL.

Numba makes it when a module is imported, a second or two for each, and keeps it: beside the module, in
NUMBA_CACHE_DIR, or in the user's cache folder, whichever can be written. Where none can, it is made at each
start. The types are said, so that no array of another kind has a second version made while plays wait.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit, types

F = TypeVar("F", bound=Callable[..., Any])

#: What is only read, be it writable or not.
OCTETS = types.Array(types.uint8, 1, "C", readonly=True)
INTS = types.Array(types.int64, 1, "C", readonly=True)
#: What is written.
OCTETS_OUT = types.Array(types.uint8, 1, "C")
INTS_OUT = types.Array(types.int64, 1, "C")
HASHES_OUT = types.Array(types.uint64, 1, "C")
INT_ROWS = types.Array(types.int64, 2, "C")
FLAGS = types.Array(types.boolean, 1, "C")
INT = types.int64


def compiled(*arguments: Any) -> Callable[[F], F]:
    """Compile a function for these types; one without types is compiled into those that call it.

    It allocates nothing and holds nothing: so no counting of references is left in it, which would be most of
    the work.
    """
    options: dict[str, Any] = {"nogil": True, "_nrt": False}

    def compile_(function: F) -> F:
        signature: Any = [arguments] if arguments else None
        try:
            return njit(signature, cache=True, **options)(function)
        except RuntimeError as error:
            # So numba says that there is nowhere to keep it.
            if "no locator available" not in str(error):
                raise
            return njit(signature, **options)(function)

    return compile_
