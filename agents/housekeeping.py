"""Housekeeping: the memory that plays leave behind goes back to the system."""

import asyncio

from faust_app import app, lake
from tables.heap import give_back

_EVERY_S = 5.0


async def trim() -> None:
    """Give back what is free, beside the loop."""
    await asyncio.to_thread(give_back)


for each in (app, lake):
    each.timer(interval=_EVERY_S)(trim)
