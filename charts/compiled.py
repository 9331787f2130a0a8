"""Compiling: functions over bytes and numbers that run as machine code, outside the GIL.

Numba makes it when a module is imported, a second or two for each, and keeps it: in NUMBA_CACHE_DIR, beside
the module, or in the user's cache folder, whichever can be written. Where none can, it is made at each start.
The types are said, so that no array of another kind has a second version made while plays wait.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np
from numba import njit, types
from numba.core.dispatcher import Dispatcher

F = TypeVar("F", bound=Callable[..., Any])

#: What is only read, be it writable or not.
OCTETS = types.Array(types.uint8, 1, "C", readonly=True)
INTS = types.Array(types.int64, 1, "C", readonly=True)
HASH = types.uint64
HASHES = types.Array(types.uint64, 1, "C", readonly=True)
HALVES = types.Array(types.uint32, 1, "C", readonly=True)
#: What is written.
OCTETS_OUT = types.Array(types.uint8, 1, "C")
INTS_OUT = types.Array(types.int64, 1, "C")
HASHES_OUT = types.Array(types.uint64, 1, "C")
HALVES_OUT = types.Array(types.uint32, 1, "C")
INT_ROWS = types.Array(types.int64, 2, "C")
FLAGS = types.Array(types.boolean, 1, "C")

#: It allocates nothing and holds nothing: so no counting of references is left in it, which would be most of
#: the work.
_OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False}


def compiled(*arguments: Any) -> Callable[[F], F]:
    """Compile a function for these types; one without types is compiled into those that call it."""

    def compile_(function: F) -> F:
        if not arguments:
            return njit(**_OPTIONS)(function)
        # Numba keeps it by this name, and by the file it is in: what it calls may have changed in another.
        content = sha256(repr((_OPTIONS, _content_of(function))).encode()).hexdigest()
        function.__qualname__ += f"-{content[:16]}"
        signature: Any = [arguments]
        try:
            return njit(signature, cache=True, **_OPTIONS)(function)
        except Exception:  # noqa: BLE001
            # There is nowhere to keep it, or no room, or what is kept is torn: no reason not to start.
            return njit(signature, **_OPTIONS)(function)

    return compile_


def _content_of(function: Any) -> list[Any]:
    """What machine code is made of: what the function does, and all that the names in it stand for."""
    code = function.__code__
    named = [function.__globals__.get(name) for name in code.co_names]
    return [code.co_code, code.co_consts, *map(_meaning_of, named)]


def _meaning_of(named: Any) -> Any:
    if isinstance(named, Dispatcher):
        return _content_of(named.py_func)
    return (named.dtype, named.tolist()) if isinstance(named, np.ndarray) else named
