"""The chain: the raw files of a partition follow on each other, and hold each record once.

A file's footer says where the next one must begin; a gap is a file that was lost, and says which offsets.
"""

import asyncio
from collections import defaultdict
from itertools import pairwise

import numpy as np

from charts.errors import NotFound
from tables.raw import Name, decode
from tables.store import Store
from tables.zone import Zone

#: Files read at a time.
_AT_ONCE = 4


async def faults_of(store: Store, log: str, folders: range) -> list[str]:
    """What is wrong with the files of some hours of stream time, and between them and their neighbours."""
    zone = Zone(store, log)
    growing = await zone.growing(await zone.tails())
    hours = await zone.hours()
    files: dict[int, list[Name]] = defaultdict(list)
    for name in await zone.full(range(hours[0], hours[-1] + 1)) if hours else []:
        files[name.partition].append(name)
    inside = set(await zone.full(folders))
    faults: list[str] = []
    for partition, names in sorted(files.items()):
        names += [name for name in growing if name.partition == partition]
        for before, after in pairwise(names):
            if before in inside or after in inside:
                faults += await _gap(zone, before, after)
    turn = asyncio.Semaphore(_AT_ONCE)
    for found in await asyncio.gather(*(_contents(zone, name, turn) for name in sorted(inside))):
        faults += found
    return faults


async def _gap(zone: Zone, before: Name, after: Name) -> list[str]:
    expected = (await zone.footer(before)).next
    if expected == after.first:
        return []
    missing = f"offsets {expected} to {after.first - 1} are missing"
    return [f"partition {before.partition}: {missing} before {after.key}"]


async def _contents(zone: Zone, name: Name, turn: asyncio.Semaphore) -> list[str]:
    """Whether a file's rows are those its footer names."""
    async with turn:
        try:
            footer = await zone.footer(name)
            rows = decode(await zone.store.get(name.key), ["offset"])
        except NotFound:
            return [f"{name.key} is gone"]
    offsets = np.sort(rows["offset"].to_numpy())
    twice = offsets[1:][offsets[1:] == offsets[:-1]]
    if len(twice):
        return [f"{name.key}: offset {twice[0]} is there twice"]
    if len(offsets) != footer.rows or offsets[0] != footer.first or offsets[-1] >= footer.next:
        return [f"{name.key}: {len(offsets)} rows, not the {footer.rows} it names"]
    return []
