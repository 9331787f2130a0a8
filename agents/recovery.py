"""Recovery that waits for Kafka: Faust's own gives up without a word, and the worker never counts again.

A rebalance in the second in which the broker goes away leaves recovery asking for offsets. What takes longer
than a request may is, to Faust, the end of the service (`Recovery._wait`); any error from Kafka is the
worker's end. Here it takes as long as it takes: a later rebalance, or the worker's stop, still interrupts,
and an error that no waiting mends still ends the worker.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.errors import KafkaError, KafkaTimeoutError
from faust.tables import manager
from faust.tables import recovery as tables

log = logging.getLogger(__name__)

_RETRY_S = 0.5


class Recovery(tables.Recovery):  # type: ignore[misc]
    """Asks again until it is answered."""

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ASYNC109 (Faust's signature)
        await super()._wait(coro)

    async def _build_highwaters(self, *args: Any) -> None:
        await _answered(lambda: super(Recovery, self)._build_highwaters(*args))

    async def _build_offsets(self, *args: Any) -> None:
        await _answered(lambda: super(Recovery, self)._build_offsets(*args))


class TableManager(manager.TableManager):  # type: ignore[misc]
    """Faust's, with the recovery above."""

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


async def _answered(ask: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await ask()
        except KafkaError as error:
            # aiokafka's own timeouts do not call themselves worth another try.
            if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                raise
            log.warning("Kafka does not say from where to where the changelog goes (%r): asked again", error)
            await asyncio.sleep(_RETRY_S)
