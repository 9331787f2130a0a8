"""Piles: rows put down on disk by name, for what may be larger than memory."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa


class Piles:
    """Some piles of rows, each a file; written whole, then read."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder = folder
        # Plain texts: a stream's dictionaries cannot change.
        self._schema = pa.schema([_plain(field) for field in schema])
        self._open = ExitStack()
        self._writers: dict[str, Any] = {}

    def put(self, name: str, rows: pa.Table) -> None:
        if name not in self._writers:
            options = pa.ipc.IpcWriteOptions(compression="lz4", unify_dictionaries=True)
            stream = pa.ipc.new_stream(str(self._folder / name), self._schema, options=options)
            self._writers[name] = self._open.enter_context(stream)
        self._writers[name].write_table(rows.cast(self._schema))

    def close(self) -> None:
        """All is written."""
        self._open.close()

    @property
    def names(self) -> list[str]:
        return sorted(self._writers)

    def read(self, name: str) -> pa.Table:
        with pa.memory_map(str(self._folder / name)) as source:
            return pa.ipc.open_stream(source).read_all()


def _plain(field: pa.Field) -> pa.Field:
    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
