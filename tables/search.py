"""Search and suggest, on Postgres alone.

A question is folded into words as names are. Words are looked up in text indexes in any order, the last
one as a beginning too; where that finds little, each word is joined by the catalogue's words that are one
typo away. What charts now is looked at first, through indexes that hold nothing else, so that a word in
fifty thousand titles costs no sort of them. A few dozen candidates are then ranked here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from charts.plain import one_typo_apart, plain, without_a_letter
from tables.postgres import Connection, Database, Row
from tables.queries import queries

SQL = queries("search")
#: Candidates taken from each index of each table.
CANDIDATES = 60
#: Words of a question that are looked at, and the longest that is.
WORDS_MAX = 8
WORD_LENGTH = 32
#: Shorter words are taken as they are: one typo would make them any other.
TYPO_LENGTH = 4
#: A beginning of fewer letters would be the beginning of half the catalogue.
BEGINNING_LENGTH = 3
#: Fewer hits than this, and spellings are tried.
LITTLE = 10
#: Corrections of one word.
CORRECTIONS = 8

Kind = Literal["track", "artist", "album"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: A question is never worth reading a whole table, and what it costs depends on its words.
_SETTINGS = "SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_custom_plan"


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing found."""

    kind: Kind
    id: str
    name: str
    artist_id: str | None
    artist: str | None
    popularity: int


_FIELDS = ("kind", "id", "name", "artist_id", "artist", "popularity")


class Search:
    """Finds tracks, artists and albums by what people type."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, question: str, limit: int) -> dict[Kind, list[Hit]]:
        """The best hits of each kind: by how well the text fits, then by how popular they are now."""
        folded = plain(question)
        asked = [word for word in folded.split() if len(word) <= WORD_LENGTH][:WORDS_MAX]
        if not asked:
            return {kind: [] for kind in KINDS}
        async with self._database.transaction() as connection:
            await connection.execute(_SETTINGS)
            alternatives = [[word] for word in asked]
            rows = await connection.fetch(SQL["match_words"], _query(alternatives, begin=True), CANDIDATES)
            rows += await _by_prefix(connection, folded, CANDIDATES)
            if len({(row["kind"], row["id"]) for row in rows}) < LITTLE:
                alternatives = await _corrected(connection, asked)
                if any(len(words) > 1 for words in alternatives):
                    query = _query(alternatives, begin=False)
                    rows += await connection.fetch(SQL["match_words"], query, CANDIDATES)
        best = _ranked(rows, folded, asked)
        return {kind: [hit for hit in best if hit.kind == kind][:limit] for kind in KINDS}

    async def suggest(self, question: str, limit: int) -> list[Hit]:
        """What the question may be the beginning of: titles and names, the popular first."""
        folded = plain(question)[:WORD_LENGTH]
        if not folded:
            return []
        # In the order of one index each, and no more than are shown: nothing a plan could get wrong.
        async with self._database.connection() as connection:
            rows = await _by_prefix(connection, folded, limit)
        return _ranked(rows, folded, folded.split())[:limit]


async def _by_prefix(connection: Connection, folded: str, most: int) -> list[Row]:
    return await connection.fetch(SQL["match_prefix"], folded, folded + "\U0010ffff", most)


async def _corrected(connection: Connection, asked: Sequence[str]) -> list[list[str]]:
    """For each word itself and the catalogue's words that are one typo away."""
    variants = without_a_letter([word for word in asked if len(word) >= TYPO_LENGTH])
    rows = await connection.fetch(SQL["get_variants"], sorted(variants)) if variants else []
    known = sorted(row["word"] for row in rows)
    return [
        [word, *[other for other in known if other != word and one_typo_apart(word, other)][:CORRECTIONS]]
        if len(word) >= TYPO_LENGTH
        else [word]
        for word in asked
    ]


def _query(alternatives: Sequence[Sequence[str]], begin: bool) -> str:
    """All words, each in one of its spellings; the last may be a beginning."""
    parts = [[_quoted(word) for word in words] for words in alternatives]
    if begin and len(alternatives[-1][0]) >= BEGINNING_LENGTH:
        parts[-1].append(f"{parts[-1][0]}:*")
    return " & ".join(f"({' | '.join(words)})" for words in parts)


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def _ranked(rows: Iterable[Row], folded: str, asked: Sequence[str]) -> list[Hit]:
    found = {(row["kind"], row["id"]): row for row in rows}

    def place(row: Row) -> tuple[int, int, str, str]:
        return _fit(row, folded, asked), -row["popularity"], row["plain"], row["id"]

    return [Hit(**{name: row[name] for name in _FIELDS}) for row in sorted(found.values(), key=place)]


def _fit(row: Row, folded: str, asked: Sequence[str]) -> int:
    """How well a name fits, best first: the name itself, its beginning, all words, some through a typo."""
    name = row["plain"]
    if name == folded:
        return 0
    if name.startswith(folded):
        return 1
    words = {*name.split(), *(row["artist_plain"] or "").split()}
    missing = [word for word in asked if word not in words]
    if not missing:
        return 2
    if missing == [asked[-1]] and any(word.startswith(asked[-1]) for word in words):
        return 3
    return 4
