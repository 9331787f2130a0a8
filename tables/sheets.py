"""Sheets: files of tracks as columns of text, piece by piece, with the line of every row.

    csv       a header, then a row per track; fields may be quoted and span lines
    jsonl     an object per line
    parquet   columns of any type that can be written as text

What cannot be read at all raises BadRequest in one line; a bad row is reported and the rest goes on.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from charts.errors import BadRequest

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
COLUMNS = (
    *("track_id", "title", "artist_id", "artist", "album_id", "album", "genre"),
    *("duration_ms", "isrc", "release_date", "cover_url"),
)
REQUIRED = ("track_id", "title")
#: Rows handed on at once: enough for columns to pay, little enough to show progress.
PIECE_ROWS = 50_000

Bad = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows: their lines, their columns, the rows that were unreadable, and how much was read."""

    lines: list[int]
    columns: dict[str, pa.Array]
    bad: list[Bad] = field(default_factory=list)
    done: int = 0


def format_of(path: Path) -> Format:
    """The format a file's name says."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise BadRequest(f"{path.name}: name it {', '.join(sorted(FORMATS))}, or say --format") from None


def size_of(path: Path, form: Format) -> int:
    """How much there is to read, in the unit of `Piece.done`: rows of Parquet, bytes of the others."""
    if not path.is_file():
        raise BadRequest(f"{path}: no such file")
    return _parquet(path).metadata.num_rows if form == "parquet" else path.stat().st_size


def read(path: Path, form: Format) -> Iterator[Piece]:
    """The file, piece by piece."""
    match form:
        case "csv":
            return _read_csv(path)
        case "jsonl":
            return _read_jsonl(path)
        case "parquet":
            return _read_parquet(path)


def _read_csv(path: Path) -> Iterator[Piece]:
    # Bytes that are not UTF-8 become lone surrogates, which no column takes: found row by row there.
    with path.open("rb") as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        sheet = csv.reader(text)
        header = [name.strip() for name in _first(sheet, path)]
        _expect_columns(header, path)
        while True:
            lines, rows, bad = _csv_rows(sheet, len(header))
            if not rows and not bad:
                return
            columns: Iterable[Any] = zip(*rows, strict=True) if rows else [[] for _ in header]
            # The text layer reads ahead of the rows by its buffer, which no progress bar shows.
            piece = dict(zip(header, columns, strict=True))
            yield _piece(lines, piece, bad, file.tell())


def _first(sheet: Iterator[list[str]], path: Path) -> list[str]:
    try:
        return next(sheet)
    except (StopIteration, csv.Error) as error:
        raise BadRequest(f"{path.name}: no header, so no CSV") from error


def _csv_rows(sheet: Any, width: int) -> tuple[list[int], list[list[str]], list[Bad]]:
    lines: list[int] = []
    rows: list[list[str]] = []
    bad: list[Bad] = []
    while len(rows) < PIECE_ROWS:
        line = sheet.line_num + 1
        try:
            row = next(sheet)
        except StopIteration:
            break
        except csv.Error as error:
            bad.append((line, str(error)))
            continue
        if len(row) == width:
            lines.append(line)
            rows.append(row)
        elif row:
            bad.append((line, f"has {len(row)} fields, the header {width}"))
    return lines, rows, bad


def _read_jsonl(path: Path) -> Iterator[Piece]:
    with path.open("rb") as file:
        line = 0
        while texts := list(islice(file, PIECE_ROWS)):
            lines: list[int] = []
            rows: list[dict[str, Any]] = []
            bad: list[Bad] = []
            for text in texts:
                line += 1
                if not text.strip():
                    continue
                row, reason = _json_row(text)
                if reason:
                    bad.append((line, reason))
                else:
                    lines.append(line)
                    rows.append(row)
            if line <= PIECE_ROWS and not rows:
                raise BadRequest(f"{path.name}: not JSON Lines ({bad[0][1] if bad else 'empty'})")
            columns = {name: [row.get(name) for row in rows] for name in COLUMNS}
            yield _piece(lines, columns, bad, file.tell())


def _json_row(text: bytes) -> tuple[dict[str, Any], str | None]:
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return {}, f"not JSON: {error}"
    if not isinstance(row, dict):
        return {}, "not an object"
    values: dict[str, Any] = {}
    for name in COLUMNS:
        value = row.get(name)
        if isinstance(value, bool | list | dict | float):
            return {}, f"{name} is neither a text nor a whole number"
        values[name] = value if value is None or isinstance(value, str) else str(value)
    return values, None


def _read_parquet(path: Path) -> Iterator[Piece]:
    file = _parquet(path)
    names = file.schema_arrow.names
    _expect_columns(names, path)
    done = 0
    try:
        for batch in file.iter_batches(PIECE_ROWS, columns=[name for name in COLUMNS if name in names]):
            columns = {name: _as_text(batch.column(name), path, name) for name in batch.schema.names}
            lines = list(range(done + 1, done + batch.num_rows + 1))
            done += batch.num_rows
            yield _piece(lines, columns, [], done)
    except (pa.ArrowException, OSError) as error:
        raise BadRequest(f"{path.name}: broken after row {done}: {_line(error)}") from error


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise BadRequest(f"{path.name}: not Parquet: {_line(error)}") from error


def _as_text(column: pa.Array, path: Path, name: str) -> pa.Array | list[str | None]:
    try:
        text = pc.cast(column, pa.string())
    except pa.ArrowException as error:
        raise BadRequest(f"{path.name}: column {name} cannot be read as text ({column.type})") from error
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        # Nobody checks what a file calls text; as in a CSV, other bytes become lone surrogates.
        values = pc.cast(text, pa.binary()).to_pylist()
        return [None if value is None else value.decode(errors="surrogateescape") for value in values]
    return text


def _expect_columns(names: Iterable[str], path: Path) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise BadRequest(f"{path.name}: no column {' and no column '.join(missing)}")


def _piece(lines: list[int], columns: dict[str, Any], bad: list[Bad], done: int) -> Piece:
    """Columns of text, with every row that is no UTF-8 taken out."""
    try:
        arrays = {name: pa.array(columns[name], pa.string()) for name in COLUMNS if name in columns}
    except UnicodeEncodeError:
        known = {name: _listed(columns[name]) for name in COLUMNS if name in columns}
        good = [row for row in range(len(lines)) if all(_is_text(values[row]) for values in known.values())]
        bad = bad + [(lines[row], "not UTF-8") for row in sorted(set(range(len(lines))) - set(good))]
        lines = [lines[row] for row in good]
        arrays = {
            name: pa.array([values[row] for row in good], pa.string()) for name, values in known.items()
        }
    nulls = pa.nulls(len(lines), pa.string())
    return Piece(lines, {name: arrays.get(name, nulls) for name in COLUMNS}, bad, done)


def _listed(column: pa.Array | Iterable[str | None]) -> list[str | None]:
    return column.to_pylist() if isinstance(column, pa.Array) else list(column)


def _is_text(value: str | None) -> bool:
    return value is None or not any("\ud800" <= letter <= "\udfff" for letter in value)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
