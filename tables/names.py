"""Names in memory: title and artist of every track that charts, as the catalogue has them.

A track nobody asked about before is shown as the play named it until the next reading, a second later;
one the catalogue does not know, for ever.
"""

from dataclasses import replace

from charts.chart import Chart, Entry
from tables.postgres import Database
from tables.queries import queries

#: More names than charts can hold: then those that no longer chart go.
NAMES_MAX = 500_000

Name = tuple[str | None, str | None]


class Names:
    """Track → title and artist; None where the catalogue has no such track."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Name | None] = {}
        self._wanted: set[str] = set()
        #: Grows whenever a name may have changed.
        self.version = 0

    def name(self, chart: Chart) -> Chart:
        """The chart with the catalogue's names."""
        return replace(chart, entries=tuple(map(self._named, chart.entries)))

    def has(self, track_id: str) -> bool:
        """Whether the catalogue knows the track, as far as was read."""
        return self._known.get(track_id) is not None

    async def refresh(self, everything: bool = False) -> None:
        """Read the names asked for since the last time, or all again."""
        if len(self._known) > NAMES_MAX:
            self._known.clear()
        wanted = set(self._wanted | self._known.keys()) if everything else self._wanted
        if not wanted:
            return
        asked = list(wanted)
        rows = await self._database.fetch(queries("catalogue")["get_names"], asked)
        found = dict.fromkeys(asked, None) | {row["track_id"]: (row["title"], row["artist"]) for row in rows}
        changed = {track_id for track_id, name in found.items() if self._known.get(track_id) != name}
        self._known |= found
        self._wanted.difference_update(asked)
        if changed:
            self.version += 1

    def _named(self, entry: Entry) -> Entry:
        name = self._known.get(entry.track_id)
        if name is None:
            if entry.track_id not in self._known:
                self._wanted.add(entry.track_id)
            return entry
        return replace(entry, title=name[0], artist=name[1] or entry.artist)
