"""Exporting: the tracks of the catalogue as a sheet that can be imported again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from tables.postgres import Database
from tables.queries import queries
from tables.sheets import COLUMNS, PIECE_ROWS, Format

SQL = queries("catalogue")
_SCHEMA = pa.schema(
    [
        (name, {"duration_ms": pa.int32(), "release_date": pa.date32()}.get(name, pa.string()))
        for name in COLUMNS
    ]
)
Write = Callable[[pa.Table], Any]


async def count_tracks(database: Database) -> int:
    """How many tracks there are."""
    return int(await database.fetchval("SELECT count(*) FROM tracks"))


async def export_tracks(
    database: Database, path: Path, form: Format, progress: Callable[[int], None] = lambda _done: None
) -> int:
    """Write every track, all as they are at one moment; returns how many. The file appears when whole."""
    draft = path.with_name(f"{path.name}.part")
    done = 0
    async with database.transaction() as connection:
        with _writer(draft, form) as write:
            rows = await connection.cursor(SQL["export_tracks"])
            while found := await rows.fetch(PIECE_ROWS):
                columns = {name: [row[name] for row in found] for name in COLUMNS}
                write(pa.table(columns, schema=_SCHEMA))
                done += len(found)
                progress(done)
    draft.rename(path)
    return done


@contextmanager
def _writer(path: Path, form: Format) -> Iterator[Write]:
    match form:
        case "parquet":
            with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as parquet:
                yield parquet.write_table
        case "csv":
            with pyarrow.csv.CSVWriter(path, _SCHEMA) as sheet:
                yield sheet.write_table
        case "jsonl":
            with path.open("wb") as file:
                yield lambda table: file.writelines(
                    orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in table.to_pylist()
                )
