"""The rules of the coming days: thresholds change at midnight UTC, for everybody at once.

The first rules of a log hold for all days and come from the owner of partition 0. Later, a worker that
starts with other thresholds than the last announced ones announces its own, once, from the coming day on.
"""

import contextlib
import logging
import time

from charts.window import DAY_MS, MINUTE_MS
from faust_app import app, boards, conf, tally
from tables.flush import Abandoned

log = logging.getLogger(__name__)

_LOOK_S = 0.1
#: Plays may be early, and clocks apart: a day this close has come already.
_NOTICE_MS = 15 * MINUTE_MS


@app.task
async def announce_rules() -> None:
    """Announce the rules this worker was started with, where they differ from those in force."""
    while not app.should_stop:
        if boards.has_rules or (boards.ready and 0 in tally.owned):
            # Partitions that leave meanwhile may take the chance to say it with them.
            with contextlib.suppress(Abandoned):
                await _announce_ours()
                return
        await app.sleep(_LOOK_S)


async def _announce_ours() -> None:
    if not boards.has_rules:
        await _announce(0)
    elif boards.book.rules[-1] != conf.rules:
        # By the heads and by the clock: plays nobody has counted yet may be judged by others already.
        newest = max((head.clock for head in boards.heads.values()), default=0)
        if conf.clock == "wall":
            newest = max(newest, time.time_ns() // 1_000_000)
        await _announce((newest + _NOTICE_MS) // DAY_MS + 1)


async def _announce(day: int) -> None:
    log.info("rules %s hold from day %d on", conf.rules.version, day)
    await tally.announce(day, conf.rules)
