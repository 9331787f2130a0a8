"""Tansu: the two repairs the embedded broker needs, never installed against another.

**Latest offsets.** Asked for the latest offset, Tansu 0.6 answers one past the *base* of the last batch:
too low by the rest of that batch. Whoever recovers a table up to there stops early and loses state without
a word. The high watermark inside its Fetch responses is right, so the repair asks for that as well. Every
way aiokafka has to the latest offset (`end_offsets`, `seek_to_end`, a reset to latest) goes through the one
method replaced.

**A leader that left.** When the leader leaves a group whose members are just joining, Tansu forgets the
member, but not that it leads: whoever joins from then on waits for it, for ever. Members that fall silent
are forgotten whole. So who is told of the same leader again and again joins once in its name, and is
silent: a session later the broker has forgotten it.

tests/tables/test_tansu.py pins what the broker does, so that an upgrade that mends it is noticed.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any
from weakref import WeakKeyDictionary

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, OffsetResetStrategy
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest

#: A broker that has nothing past the offset answers after this long; a larger wait would only delay.
_FETCH_WAIT_MS = 1
#: A leader that lives has joined again long before; one that hangs is forgotten after its session.
_JOINS_IN_VAIN = 3
_original = Fetcher._proc_offset_request
_send = GroupCoordinator._send_req
#: Of a coordinator that joins: the leader it is told of, and how often in a row.
_told: WeakKeyDictionary[Any, tuple[str, int]] = WeakKeyDictionary()


def repair() -> None:
    """Mend every consumer of this process; twice is once."""
    Fetcher._proc_offset_request = _latest_by_fetch
    GroupCoordinator._send_req = _past_a_leader_that_left


@contextmanager
def repaired() -> Iterator[None]:
    """The repair for the length of a block."""
    repair()
    try:
        yield
    finally:
        Fetcher._proc_offset_request = _original
        GroupCoordinator._send_req = _send


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


@functools.wraps(_send)
async def _past_a_leader_that_left(coordinator: Any, request: Any) -> Any:
    """What the broker answers; a group that waits for who left is told so."""
    answer = await _send(coordinator, request)
    if isinstance(request, SyncGroupRequest) and not answer.error_code:
        _told.pop(coordinator, None)
    if isinstance(request, JoinGroupRequest) and not answer.error_code:
        before, times = _told.get(coordinator, ("", 0))
        leader = answer.leader_id
        times = times + 1 if leader == before else 1
        _told[coordinator] = leader, times
        if leader != answer.member_id and times % _JOINS_IN_VAIN == 0:
            in_its_name = copy(request)
            in_its_name._member_id = leader
            await _send(coordinator, in_its_name)
    return answer
