"""Recording: charts into the history, and final boards out of the topic once the history has them."""

from agents.quality import Monitor
from agents.snapshot import Snapshots
from faust_app import app, boards, conf, database, memory, tally

#: How often final boards are looked for that nobody needs any more.
_WITHDRAW_S = 5.0


@app.task
async def record() -> None:
    """Write charts into the history whenever no other worker does."""
    if database is None or memory is None:
        return
    snapshots = Snapshots(
        database,
        boards,
        memory,
        interval=conf.snapshot_interval,
        days_kept=conf.history_days,
        top_n=conf.top_n,
        beside=[Monitor(database, boards, memory, interval=conf.quality_interval).run],
        lake=bool(conf.lake_url),
    )
    await snapshots.run()


@app.task
async def withdraw() -> None:
    """Take final boards of our own partitions out of the topic, once the history has their charts."""
    while not app.should_stop:
        await app.sleep(_WITHDRAW_S)
        if boards.ready:
            await tally.withdraw(memory.is_written if memory else None)
