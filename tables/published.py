"""What was published: the final charts of the history as they stand, in bulk."""

from collections import defaultdict

from charts.recount import Ranking
from charts.window import Window
from tables.postgres import Database
from tables.queries import queries
from tables.rows import Place, epoch_ms, moment

SQL = queries("lake")


async def published(database: Database, kinds: list[str], start: int, end: int) -> dict[Place, Ranking]:
    """The current revision of every final chart that starts in a span."""
    span = kinds, moment(start), moment(end)
    heads = await database.fetch(SQL["get_published"], *span)
    rows = await database.fetch(SQL["get_published_entries"], *span)
    entries: dict[tuple[str, Window, int], list[tuple[str, int]]] = defaultdict(list)
    for row in rows:
        window = Window(row["window_kind"], epoch_ms(row["starts_at"]))
        entries[row["region"], window, row["revision"]].append((row["track_id"], row["plays"]))
    found = {}
    for head in heads:
        window = Window(head["window_kind"], epoch_ms(head["starts_at"]))
        first = tuple(entries[head["region"], window, head["revision"]])
        found[head["region"], window] = Ranking(head["plays"], head["tracks"], first)
    return found


async def published_span(database: Database) -> tuple[int, int] | None:
    """From the first to the last start of a final chart."""
    row = await database.fetchrow(SQL["get_published_span"])
    if row is None or row[0] is None:
        return None
    return epoch_ms(row[0]), epoch_ms(row[1])
