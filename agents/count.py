"""Counting: plays in, counts out."""

import asyncio
from collections.abc import AsyncIterator

from charts.run import Run
from faust_app import app, conf, plays, tally

#: How often decoded runs are handed over while no new ones come.
_LOOK_S = 0.02
#: Heads go out at least this often.
_HEAD_S = 1.0


@app.agent(plays)
async def count(runs: AsyncIterator[Run]) -> None:
    """Count plays per track, region, hour and day; durable and published at every flush."""
    async for run in runs:
        await tally.arrivals.take(run)


@app.task
async def flush() -> None:
    """Make counts durable and publish the boards, every flush interval or when enough have come."""
    now = asyncio.get_running_loop().time
    flush_at = tell_at = now()
    while not app.should_stop:
        await app.sleep(_LOOK_S)
        await tally.arrivals.take_decoded()
        is_full = tally.arrivals.pending_rows >= conf.flush_rows
        if now() >= flush_at or is_full or tally.arrivals.has_caught_up or tally.is_silent:
            flush_at = now() + conf.flush_interval
            tally.arrivals.about_to_flush()
            await tally.flush()
            tell_at = now() + _HEAD_S
        elif now() >= tell_at:
            await tally.tell()
            tell_at = now() + _HEAD_S
        else:
            continue
        await tally.arrivals.pass_over_deleted()
