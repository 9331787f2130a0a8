"""External charts: fetched from a file or an address, by hand or on a schedule, into the history.

Every source keeps its own charts beside ours. Importing the same chart again changes nothing; a
different one is a new revision.
"""

import asyncio
import logging
from pathlib import Path

import aiohttp

from charts.chart import Chart
from charts.errors import BadRequest, ChartsError, Unreachable
from charts.external import Format, apple_region, read_chart
from charts.window import Kind, Window
from tables.history import History
from tables.postgres import Database, Row
from tables.queries import queries

log = logging.getLogger(__name__)
SQL = queries("external")

#: A chart is a few hundred kilobytes; what is larger is something else.
BYTES_MAX = 8 * 1024 * 1024
#: A publisher's server may take its time, but not for ever.
FETCH_TIMEOUT_S = 30.0


async def fetch(address: str) -> bytes:
    """A document from a file or an http address."""
    if address.startswith(("http://", "https://")):
        return await _download(address)
    return await asyncio.to_thread(_read_file, address)


def _read_file(address: str) -> bytes:
    path = Path(address.removeprefix("file://"))
    try:
        if path.stat().st_size > BYTES_MAX:
            raise BadRequest(f"{address}: over {BYTES_MAX} bytes: no chart")
        return path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{address}: {error.strerror}") from None


async def _download(address: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(address) as response:
            if response.status != 200:
                raise Unreachable(f"{address}: status {response.status}")
            content = bytearray()
            async for piece in response.content.iter_any():
                content += piece
                if len(content) > BYTES_MAX:
                    raise BadRequest(f"{address}: over {BYTES_MAX} bytes: no chart")
            return bytes(content)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unreachable(f"{address}: {error or 'no answer'}") from None


async def import_chart(
    database: Database, content: bytes, form: Format, *, region: str | None, window: Window, source: str
) -> Chart | None:
    """Store a document's chart; None where it says what we have already."""
    named = region or (apple_region(content) if form == "apple" else None)
    if named is None:
        raise BadRequest("the document does not say its region: say --region")
    chart = read_chart(content, form, named, window, source)
    written = await History(database).revise([chart], f"imported from {source}")
    return written[0] if written else None


async def schedule(
    database: Database, source: str, region: str, kind: Kind, *, form: Format, address: str, every_s: int
) -> None:
    """Import an address again and again; once more replaces what was scheduled."""
    await database.execute(SQL["schedule"], source, region, kind, form, address, every_s)


async def unschedule(database: Database, source: str, region: str, kind: Kind) -> bool:
    """Whether there was such an import."""
    return await database.execute(SQL["unschedule"], source, region, kind) != "DELETE 0"


async def import_due(database: Database, now_ms: int) -> int:
    """Import what is due; one that fails is noted and tried again when its time comes.

    It is due until it was tried to the end: two who try at once write the same.
    """
    rows = await database.fetch(SQL["get_due"])
    for row in rows:
        outcome = await _try(database, row, now_ms)
        log.info("%s %s %s: %s", row["source"], row["region"], row["window_kind"], outcome)
        place = (row["source"], row["region"], row["window_kind"])
        # Where somebody has scheduled another address meanwhile, that one is due.
        await database.execute(SQL["note"], *place, outcome, row["format"], row["address"])
    return len(rows)


async def _try(database: Database, row: Row, now_ms: int) -> str:
    try:
        content = await fetch(row["address"])
        window = Window.at(row["window_kind"], now_ms)
        place = {"region": row["region"], "window": window, "source": row["source"]}
        found = await import_chart(database, content, row["format"], **place)
    except ChartsError as error:
        return str(error)
    except Exception as error:
        # A document of others ends no worker of ours, let alone one after another.
        log.exception("the chart of %s cannot be imported", row["address"])
        return repr(error)
    return f"revision {found.revision}" if found else "nothing new"
