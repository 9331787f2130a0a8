"""Listeners: the plays of a world, as bytes, in the order they are sent. Pure: no clock, no I/O.

Plays are made some thousands at a time, in columns; a chunk depends on the world, its number and (for
duplicates) the chunk before, never on how it is sent.
"""

from collections.abc import Iterator
from itertools import count, pairwise

import numpy as np
import numpy.typing as npt
import orjson

from charts.home import homes_of
from charts.slices import Slices
from charts.window import HOUR_MS, MINUTE_MS
from simulator.catalogue import Catalogue
from simulator.faults import Fault, break_values, repeat, with_faults
from simulator.slice import Ints, Slice
from simulator.taste import Taste
from simulator.world import World

#: Plays made at a time; another figure makes another world.
CHUNK = 16_384
#: Light and fashion change this often.
_SPELL_MS = HOUR_MS // 4
#: Offline listeners report within this; their hour still takes it.
_OFFLINE_MS_MAX = 100 * MINUTE_MS
_NETWORK_MS_MAX = 2_000
_SHORTEST_MS = 30_000

_PLAY = (
    b'{"play_id":"%b","user_id":"u%07d",%b,"region":"%b","played_at":%d,"ms_played":%d,"source":"simulator"}'
)


class Listeners:
    """Everybody who listens in a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.catalogue = Catalogue(world.seed, world.tracks)
        self.taste = Taste(world)
        ids = [self.catalogue.track_id(number).encode() for number in range(world.tracks)]
        self._homes = homes_of(Slices.of(ids), world.partitions)
        self._keys = ids
        self._track_json: dict[int, bytes] = {}
        self._codes = [region.code.encode() for region in world.regions]
        self._weights = np.array([region.weight for region in world.regions])
        self._longitudes = np.array([region.longitude for region in world.regions])
        share = np.cumsum(self._weights) / self._weights.sum()
        bounds = np.concatenate([[0], np.round(share * world.listeners)]).astype(np.int64)
        #: The listeners of a region: the first one's number, and how many there are.
        self._first, self._inhabitants = bounds[:-1], np.maximum(np.diff(bounds), 1)

    def records(self, total: int | None = None) -> Iterator[Slice]:
        """The plays from the first on, chunk by chunk, with ticks where the world wants them."""
        before: Slice | None = None
        for number in count():
            first = number * CHUNK
            plays = CHUNK if total is None else min(CHUNK, total - first)
            if plays <= 0:
                return
            chunk = self._chunk(number, before)
            before = chunk
            chunk = chunk if plays == CHUNK else chunk.cut(0, plays)
            yield self._with_ticks(first, chunk) if self.world.ticks else chunk

    def ticks(self, time_ms: int) -> Slice:
        """A tick to every partition."""
        partitions = np.arange(self.world.partitions)
        none: list[bytes | None] = [None] * len(partitions)
        return Slice(np.full(len(partitions), time_ms, np.int64), partitions, none, none)

    def daylight(self, time_ms: int) -> npt.NDArray[np.float64]:
        """How awake each region is, by the sun: least at half past four, most twelve hours later."""
        hours = time_ms / HOUR_MS + self._longitudes / 15
        return 0.55 - 0.45 * np.cos((hours - 4.5) * np.pi / 12)

    def _chunk(self, number: int, before: Slice | None) -> Slice:
        world = self.world
        # The start takes part, so that another day brings other plays, not the same again.
        rng = np.random.default_rng([world.seed, 4, world.start, number])
        clock = world.start + ((number * CHUNK + np.arange(CHUNK)) * world.step_ms).astype(np.int64)
        region, listener, track = self._choices(rng, clock)
        length = self.catalogue.duration_ms[track]
        whole = rng.random(CHUNK) < 0.75
        skipped = _SHORTEST_MS + rng.random(CHUNK) * (length - _SHORTEST_MS)
        ms_played = np.where(whole, length, skipped).astype(np.int64)
        played_at = clock - ms_played - self._delays(rng)
        faults = with_faults(world, number, clock, played_at, ms_played)
        play_ids = rng.bytes(16 * CHUNK).hex().encode()
        values = self._encode(play_ids, track, listener, region, played_at, ms_played)
        keys: list[bytes | None] = [self._keys[each] for each in track.tolist()]
        chunk = Slice(clock, self._homes[track], keys, values)
        if world.faults.any:
            break_values(values, np.flatnonzero(faults == Fault.malformed).tolist())
            repeat(chunk, before, np.flatnonzero(faults == Fault.duplicate), world, number)
        return chunk

    def _choices(self, rng: np.random.Generator, clock: Ints) -> tuple[Ints, Ints, Ints]:
        """Who plays what where, one spell of light and fashion after another."""
        spells = np.flatnonzero(np.diff(clock // _SPELL_MS)) + 1
        chosen = [self._spell(rng, int(part[0]), len(part)) for part in np.split(clock, spells)]
        region, listener, track = (np.concatenate(column) for column in zip(*chosen, strict=True))
        return region, listener, track

    def _spell(self, rng: np.random.Generator, time_ms: int, plays: int) -> tuple[Ints, Ints, Ints]:
        awake = np.cumsum(self._weights * self.daylight(time_ms))
        region = np.searchsorted(awake / awake[-1], rng.random(plays))
        region = np.minimum(region, len(awake) - 1)
        # Squared: some listen all day, most now and then.
        listener = self._first[region] + (self._inhabitants[region] * rng.random(plays) ** 2).astype(np.int64)
        return region, listener, self.taste.tracks(rng, time_ms, region, listener)

    def _delays(self, rng: np.random.Generator) -> Ints:
        """From the end of a play to its arrival."""
        delays: Ints = rng.integers(20, _NETWORK_MS_MAX, CHUNK)
        offline = rng.random(CHUNK) < self.world.offline
        away = np.minimum(rng.exponential(10 * MINUTE_MS, CHUNK), _OFFLINE_MS_MAX).astype(np.int64)
        delays[offline] += away[offline]
        return delays

    def _encode(self, play_ids: bytes, track: Ints, *columns: Ints) -> list[bytes | None]:
        tracks, codes, known = track.tolist(), self._codes, self._track_json
        for number in set(tracks) - known.keys():
            known[number] = self._describe(number)
        rows = zip(range(0, len(play_ids), 32), tracks, *(column.tolist() for column in columns), strict=True)
        return [
            _PLAY % (play_ids[at : at + 32], listener, known[number], codes[region], played_at, ms_played)
            for at, number, listener, region, played_at, ms_played in rows
        ]

    def _describe(self, track: int) -> bytes:
        """What every play of a track says of it."""
        fields = b'"track_id":"%b"' % self._keys[track]
        if self.world.names:
            title, artist = self.catalogue.title(track), self.catalogue.artist(track)
            fields += b',"title":%b,"artist":%b' % (orjson.dumps(title), orjson.dumps(artist))
        return fields

    def _with_ticks(self, first: int, chunk: Slice) -> Slice:
        """The chunk with a tick to every partition where a minute begins."""
        minutes = chunk.clock // MINUTE_MS
        before = self.world.minute(first - 1) if first else minutes[0]
        turns = np.flatnonzero(np.diff(minutes, prepend=before))
        if not len(turns):
            return chunk
        partitions = self.world.partitions
        rows = np.repeat(turns, partitions)
        keys, values = chunk.keys[: turns[0]], chunk.values[: turns[0]]
        ticks: list[bytes | None] = [None] * partitions
        for start, end in pairwise([*turns.tolist(), len(chunk)]):
            keys += ticks + chunk.keys[start:end]
            values += ticks + chunk.values[start:end]
        return Slice(
            clock=np.insert(chunk.clock, rows, minutes[rows] * MINUTE_MS),
            partitions=np.insert(chunk.partitions, rows, np.tile(np.arange(partitions), len(turns))),
            keys=keys,
            values=values,
        )
