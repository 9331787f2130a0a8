"""From a start to the first play counted, with a million tallies: in the folder, and in the changelog alone.

Net of what the embedded broker makes every member wait before it joins.
"""

import logging
import time
from pathlib import Path

import pytest

from charts.home import homes_of
from charts.play import Play
from charts.slices import Slices
from tables.changelog import pack
from tables.changelog import send as send_batches
from tests.brokers import APACHE
from tests.crash.plays import START_MS
from tests.crash.storm import PARTITIONS, Storm, eventually

log = logging.getLogger(__name__)

TALLIES = 1_000_000
#: Half the session timeout of the embedded stack; Apache Kafka lets members join at once.
JOIN_S = 0.0 if APACHE else 3.0
FOLDER_S, CHANGELOG_S = 8.0, 12.0
_SEND = 50_000


@pytest.mark.kafka
@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_a_million_tallies_are_back_in_seconds(tmp_path: Path, seed: int) -> None:
    async with Storm(tmp_path, seed) as storm:
        [worker, *_] = storm.workers
        sent = await _send_a_million(storm)
        worker.start()
        await eventually(lambda: _applied(storm) >= sent, "a million plays are counted", 300)
        took: dict[str, float] = {}
        for name, wiped in (("folder", False), ("changelog", True)):
            worker.stop()
            if wiped:
                worker.wipe()
            sent += await _send(storm, [_play(TALLIES + sent)])
            started = time.monotonic()
            worker.start()
            await eventually(lambda sent=sent: _applied(storm) >= sent, f"a play is counted, from the {name}")
            took[name] = time.monotonic() - started - JOIN_S
        log.info("seconds from a start to the first play counted, less %.0f s for the join: %s", JOIN_S, took)
        worker.stop()
        assert took["folder"] < FOLDER_S
        assert took["changelog"] < CHANGELOG_S


def _play(number: int) -> Play:
    return Play(f"{number}", "u", f"track-{number:07d}", "SE", START_MS, 60_000)


async def _send_a_million(storm: Storm) -> int:
    sent = 0
    for first in range(0, TALLIES, _SEND):
        sent += await _send(storm, [_play(number) for number in range(first, first + _SEND)])
    return sent


async def _send(storm: Storm, plays: list[Play]) -> int:
    """Send plays home in large batches; how many."""
    homes = homes_of(Slices.of([play.track_id.encode() for play in plays]), PARTITIONS)
    for home in range(PARTITIONS):
        mine = [(p.track_id.encode(), p.encode()) for p, at in zip(plays, homes, strict=True) if at == home]
        await send_batches(storm.producer, storm.plays, home, pack(mine, START_MS))
    return len(plays)


def _applied(storm: Storm) -> int:
    """Records that some owner has counted."""
    return sum(head.applied + 1 for head in storm.boards.heads.values())
