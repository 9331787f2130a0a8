"""Tansu: the one repair the embedded broker needs, never installed against another.

Asked for the latest offset, Tansu 0.6 answers one past the *base* of the last batch: too low by the rest of
that batch. Whoever recovers a table up to there stops early and loses state without a word. The high
watermark inside its Fetch responses is right, so the repair asks for that as well. Every way aiokafka has to
the latest offset (`end_offsets`, `seek_to_end`, a reset to latest) goes through the one method replaced
here. tests/tables/test_tansu.py pins what the broker does, so that an upgrade that mends it is noticed.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, OffsetResetStrategy
from aiokafka.protocol.fetch import FetchRequest

#: A broker that has nothing past the offset answers after this long; a larger wait would only delay.
_FETCH_WAIT_MS = 1
_original = Fetcher._proc_offset_request


def repair() -> None:
    """Mend latest offsets for every consumer of this process; twice is once."""
    Fetcher._proc_offset_request = _latest_by_fetch


@contextmanager
def repaired() -> Iterator[None]:
    """The repair for the length of a block."""
    repair()
    try:
        yield
    finally:
        Fetcher._proc_offset_request = _original


@functools.wraps(_original)
async def _latest_by_fetch(fetcher: Any, node_id: int, topics: dict[str, list[tuple[int, int]]]) -> Any:
    """What ListOffsets answers, but for the latest the high watermark of a fetch from just below."""
    answers: dict[TopicPartition, tuple[int, int]] = await _original(fetcher, node_id, topics)
    latest: dict[str, list[tuple[int, int, int]]] = {}
    for topic, partitions in topics.items():
        for partition, time in partitions:
            low, _ = answers.get(TopicPartition(topic, partition), (0, 0))
            if time == OffsetResetStrategy.LATEST and low > 0:
                latest.setdefault(topic, []).append((partition, low - 1, 1))
    if not latest:
        return answers
    request = FetchRequest(_FETCH_WAIT_MS, 1, 1, fetcher._isolation_level, list(latest.items()))
    response = await fetcher._client.send(node_id, request)
    for topic, partitions in response.topics:
        for partition, _error, high_watermark, *_ in partitions:
            tp = TopicPartition(topic, partition)
            low, time = answers[tp]
            answers[tp] = (max(low, high_watermark), time)
    return answers
