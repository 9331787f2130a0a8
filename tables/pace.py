"""Pace: aiokafka asks for a cluster's metadata again as soon as it has an answer, so it is slowed down.

A partition without a leader makes its fetcher and its sender ask at once, again and again. While the only
broker was stopped a worker tried to connect 6,000 times a second, took most of a core for it, and wrote
1.8 MB a second into its log. Kafka's own clients leave `retry.backoff.ms` between two questions.
"""

import asyncio
import functools
import time
from typing import Any
from weakref import WeakKeyDictionary

from aiokafka.client import AIOKafkaClient

#: From the end of one question to the next, where it was answered, and where nobody was there.
ANSWERED_S, AWAY_S = 0.1, 1.0
_original = AIOKafkaClient._metadata_update
#: Of each client: when it may ask again.
_next: WeakKeyDictionary[Any, float] = WeakKeyDictionary()


def pace() -> None:
    """Slow every client of this process; twice is once."""
    AIOKafkaClient._metadata_update = _paced


@functools.wraps(_original)
async def _paced(client: Any, cluster: Any, topics: Any) -> bool:
    await asyncio.sleep(max(0.0, _next.get(client, 0.0) - time.monotonic()))
    updated: bool = await _original(client, cluster, topics)
    _next[client] = time.monotonic() + (ANSWERED_S if updated else AWAY_S)
    return updated
