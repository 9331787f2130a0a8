"""Housekeeping: what is free goes back to the system, and what stays is not looked through for garbage.

Python's collector stops every thread while it walks all there is: a tenth of a second, were the modules and
classes of the start not left out. What comes later is little.
"""

import asyncio
import gc

from agents.transport import App
from faust_app import app, lake
from tables.heap import give_back

#: By then all is imported.
_STARTED_S = 5.0
#: So often memory is given back.
_EVERY_S = 2.0


async def keep_house(worker: App) -> None:
    """Set aside what the start left, then give back what is free, beside the loop."""
    await worker.sleep(_STARTED_S)
    gc.collect()
    gc.freeze()
    while not worker.should_stop:
        await asyncio.to_thread(give_back)
        await worker.sleep(_EVERY_S)


for each in (app, lake):
    each.task(keep_house)
