"""A storm: plays stream in while workers die, hang, come and go, round after round on one log.

The legal outcomes, written down first. At rest after a round, whatever happened in it:

1. Every record sent is in the log, and every record of the log has exactly one verdict: each partition's
   ledger is the truth's, verdict by verdict, and adds up to its records.
2. Every (track, region, hour, day) was counted exactly as often as its distinct plays were.
3. So says every folder of every worker, once brought up by the changelog from the offset it claims; so says
   the changelog alone, the higher fence winning; so says every chart, rank by rank, totals and all.
4. No worker ended but those we ended, and those that started while the broker hung, in one line; all workers
   show the same charts; a stop in peace takes less than ten seconds.

The truth is worked out by tests/crash/oracle.py from the log alone.
"""

import asyncio
import contextlib
import json
import logging
import random
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from charts.errors import Unreachable
from charts.settings import Settings
from simulator.ports import free_ports
from tables.boards import Boards
from tables.topics import create_topics
from tests.brokers import SETTING, new_broker, start, whole_ends
from tests.crash import oracle, shown, state
from tests.crash.conditions import Conditions
from tests.crash.plays import Stream, send_with
from tests.crash.worker import STOP_S, Worker

log = logging.getLogger(__name__)

PARTITIONS = 3
TRACKS = 40_000
#: A chunk of plays and what event time it spans: some four hours a round.
_CHUNK_ROWS, _CHUNK_MS, _CHUNK_EVERY_S = 800, 60_000, 0.3
#: What is there when the workers come: large flushes, several batches each.
_BACKLOG_CHUNKS = 60
#: Until a crash point is reached, or more is sent.
_REACHED_S = 20.0
#: Past the session, and the rebalance that follows it.
_ZOMBIE_S = 9.0
_PAUSE_S = 20.0
#: A broker that was paused answers again within this.
_BACK_S = 60.0
#: From a kill to rest: the dead member's session, a join, a recovery; on a loaded machine.
REST_S = 300.0
#: From a head in the boards topic to everybody who reads it, a worker that has just started included.
_SAME_S = 120.0
_GLANCE_S = 0.05
#: Of each worker's log, in the story of a failure.
_TOLD_LINES = 25


class Storm:
    """One log with its broker and its workers."""

    def __init__(self, folder: Path, seed: int, *, static: bool = False, **settings: Any) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.kafka = new_broker(folder)
        given: dict[str, Any] = {
            "kafka_url": self.kafka.url,
            "broker": SETTING,
            "session_timeout": 6,
            "clock": "log",
            "data_dir": folder / "data",
            "log_id": f"storm{seed}",
            "partitions": PARTITIONS,
            "public_read": True,
            "log_level": "info",
            "log_format": "text",
        }
        self.settings = Settings(**{**given, **settings})
        self.workers = [
            self._new_worker(name, port, folder, name if static else "")
            for name, port in zip("abc", free_ports(3), strict=True)
        ]
        self.stream = Stream(seed, PARTITIONS, TRACKS)
        self.boards = Boards(self.settings)
        self.plays = self.settings.topic("song-plays")
        self._sent: list[tuple[int, bytes]] = []
        self._stop_seconds: list[float] = []

    def _new_worker(self, name: str, port: int, folder: Path, instance: str) -> Worker:
        own = {"web_port": port, "instance": instance}
        return Worker(name, self.settings.model_copy(update=own), folder)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.enter_context(whole_ends())
            stack.callback(self.kafka.stop)
            start(self.kafka)
            for worker in self.workers:
                stack.callback(worker.kill)
            await self._create_topics()
            kafka = {"bootstrap_servers": self.kafka.url}
            self.producer = await stack.enter_async_context(AIOKafkaProducer(**kafka, linger_ms=5))
            self._consumer = await stack.enter_async_context(AIOKafkaConsumer(**kafka))
            stack.push_async_callback(self.boards.stop)
            await self.boards.start()
            self._stack = stack.pop_all()
        return self

    async def _create_topics(self) -> None:
        """A broker of a busy machine may listen long before it answers."""
        deadline = time.monotonic() + REST_S
        while True:
            try:
                return await create_topics(self.settings)
            except Unreachable:
                if time.monotonic() > deadline:
                    raise

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    # -- a round

    async def round(self, conditions: Conditions) -> list[str]:
        """Everything at once, then rest, then the reckoning: what is wrong."""
        started = time.monotonic()
        first, second, third = self.workers
        present = [first] if conditions.workers == "one" else [first, second]
        odds = 1.0 if conditions.death == "batch" else self.dice.uniform(0.1, 0.5)
        point = "" if conditions.death == "random" else f"{conditions.death}:{odds}"
        await self.send(_BACKLOG_CHUNKS)
        for worker in present:
            environ = {"CHARTS_CRASH_POINTS": point} if worker is first else {}
            if conditions.death == "batch":
                # Several batches are one flush's: there is much to do, and time for it to gather.
                environ["CHARTS_FLUSH_INTERVAL"] = "10"
            worker.start(**environ)
        async with asyncio.TaskGroup() as plays:
            streaming = plays.create_task(self.stream_on())
            keeping = plays.create_task(self._keep_started())
            async with asyncio.TaskGroup() as happening:
                happening.create_task(self._death(first, conditions))
                if conditions.change != "none":
                    comer = second if conditions.workers == "one" else third
                    happening.create_task(self._change(conditions, second, comer))
                if conditions.zombie == "yes":
                    happening.create_task(self._zombie(present[-1]))
                if conditions.broker == "paused":
                    happening.create_task(self._pause())
            streaming.cancel()
            keeping.cancel()
        wrong = await self.rest()
        wrong += await self.same_everywhere()
        wrong += await self.stop_all()
        wrong += await self.reckon()
        log.info("%5.1f s  %s  %s", time.monotonic() - started, conditions, "WRONG" if wrong else "exact")
        return wrong

    async def stream_on(self, chunks: int = 1) -> None:
        while True:
            await self.send(chunks)
            await asyncio.sleep(_CHUNK_EVERY_S)

    @asynccontextmanager
    async def streaming(self, chunks: int = 1) -> AsyncIterator[None]:
        """Plays stream in for as long as the block runs."""
        streaming = asyncio.create_task(self.stream_on(chunks))
        try:
            yield
        finally:
            streaming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await streaming

    async def send(self, chunks: int) -> None:
        """Send some more plays; what was begun is sent whole, whoever cancels."""
        records = [r for chunk in self.stream.chunks(chunks, _CHUNK_ROWS, _CHUNK_MS) for r in chunk]
        self._sent += [(record.partition, record.value) for record in records]
        sending = asyncio.ensure_future(send_with(self.producer, self.plays, records))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            await sending
            raise

    async def _keep_started(self) -> None:
        """Start again who found no Kafka at its start: so does whoever runs a worker."""
        while True:
            await asyncio.sleep(_GLANCE_S)
            for worker in self.workers:
                if worker.gave_up and not worker.busy.locked():
                    worker.start_again()

    async def _death(self, worker: Worker, conditions: Conditions) -> None:
        if conditions.death == "random":
            # Mostly while it counts, now and then while it joins or recovers.
            if self.dice.random() < 0.7:
                await eventually(lambda: self.owns(worker), f"{worker.name} owns something")
            await self._sleep(0, 5)
            async with worker.busy:
                worker.kill()
        else:
            await self._until_dead(worker, conditions.death)
        async with worker.busy:
            worker.kill()
            if conditions.folder == "wiped":
                worker.wipe()
            worker.start()

    async def _until_dead(self, worker: Worker, point: str) -> None:
        """Wait for a worker to reach its crash point; for several batches in a flush it needs much to do."""
        for _ in range(10):
            with contextlib.suppress(TimeoutError):
                killed = lambda: not worker.process.alive and not worker.gave_up  # noqa: E731
                return await eventually(killed, f"{point} reached", _REACHED_S)
            await self.send(_BACKLOG_CHUNKS)
        raise TimeoutError(f"{worker.name} never reached {point}")

    async def _change(self, conditions: Conditions, second: Worker, comer: Worker) -> None:
        if conditions.change == "joins" or comer is second:
            await self._sleep(2, 8)
            async with comer.busy:
                comer.start()
        if conditions.change == "leaves":
            await eventually(lambda: self.owns(second), f"{second.name} owns something")
            await self._sleep(0, 3)
            async with second.busy:
                self._stop_seconds.append(await asyncio.to_thread(second.stop))

    async def _zombie(self, worker: Worker) -> None:
        """Stop a worker beyond its session while it counts, and wake it again."""
        await eventually(lambda: self.owns(worker) or worker.left, f"{worker.name} owns something")
        await self._sleep(0, 1.5)
        async with worker.busy:
            if worker.process.alive:
                worker.send(signal.SIGSTOP)
                await asyncio.sleep(_ZOMBIE_S)
                worker.send(signal.SIGCONT)

    async def _pause(self) -> None:
        await self._sleep(2, 8)
        self.kafka.process.signal(signal.SIGSTOP)
        await asyncio.sleep(_PAUSE_S)
        self.kafka.process.signal(signal.SIGCONT)
        async with asyncio.timeout(_BACK_S):
            await self._consumer.end_offsets([TopicPartition(self.plays, 0)])
        log.info("the broker of seed %d is back", self.seed)

    async def _sleep(self, least: float, most: float) -> None:
        await asyncio.sleep(self.dice.uniform(least, most))

    def owns(self, worker: Worker) -> bool:
        """Whether some head says so, and is not from an earlier life."""
        return any(
            head.owner.endswith(f":{worker.settings.web_port}") and head.at > worker.started_at_ms
            for head in self.boards.heads.values()
        )

    def last_lines(self) -> str:
        """How every worker's log ends: whoever reads of a failure elsewhere has nothing else."""
        return "\n".join(line for worker in self.workers for line in worker.last_lines(_TOLD_LINES))

    # -- rest

    async def rest(self) -> list[str]:
        """Wait until every record is applied and every head of a living owner says so; what kept it."""
        deadline = time.monotonic() + REST_S
        while behind := await self.behind():
            died = [worker for worker in self.workers if worker.started and not worker.process.alive]
            if died and not all(worker.gave_up for worker in died):
                return [f"worker {worker.name} died: {worker.process.last_words()}" for worker in died]
            for worker in died:
                worker.start_again()
            if time.monotonic() > deadline:
                return [f"no rest after {REST_S:.0f} s: {behind}"]
            await asyncio.sleep(_GLANCE_S)
        return []

    async def behind(self) -> str:
        """Which partition is not counted to its end by an owner that lives; nothing at rest."""
        asked_ms = time.time_ns() // 1_000_000
        heads = dict(self.boards.heads)
        ends = await self._consumer.end_offsets([TopicPartition(self.plays, p) for p in range(PARTITIONS)])
        for place, end in ends.items():
            head = heads.get(place.partition)
            if head is None or head.applied + 1 < end or head.at < asked_ms - 2_000:
                return f"partition {place.partition} ends at {end}, head {head}"
        return ""

    async def same_everywhere(self) -> list[str]:
        """Whether every living worker comes to answer the same over HTTP."""
        alive = [worker for worker in self.workers if worker.process.alive]
        deadline = time.monotonic() + _SAME_S
        while wrong := await self._differing(alive):
            if time.monotonic() > deadline:
                return wrong
            await asyncio.sleep(_GLANCE_S)
        return []

    async def _differing(self, alive: list[Worker]) -> list[str]:
        for path in (f"/v1/charts/{place}?limit=1000" for place in ("global/day", "global/hour", "US/hour")):
            try:
                answers = [await asyncio.to_thread(_ranking, worker, path) for worker in alive]
            except OSError as error:  # not listening yet, or not ready: so it says
                return [f"{path} is not answered everywhere: {error}"]
            if any(answer != answers[0] for answer in answers):
                return [f"{path} is not the same everywhere: {[answer[:2] for answer in answers]}"]
        return []

    async def stop_all(self) -> list[str]:
        """Stop whoever is alive, one after the other; who took too long.

        When two members leave at once, the embedded broker may wait for ever for a leader that is gone.
        """
        for worker in self.workers:
            if worker.process.alive:
                self._stop_seconds.append(await asyncio.to_thread(worker.stop))
        slow = [seconds for seconds in self._stop_seconds if seconds >= STOP_S]
        self._stop_seconds.clear()
        return [f"a stop took {seconds:.1f} s" for seconds in slow]

    # -- the reckoning

    async def reckon(self, written: Collection[shown.Place] = ()) -> list[str]:
        """Where state and truth differ, in whatever form the state is read."""
        plays = await oracle.read(self.kafka.url, self.plays)
        changelog = await oracle.read(self.kafka.url, await self._changelog())
        boards = await oracle.read(self.kafka.url, self.settings.topic("chart-boards"))
        # Other storms go on beside this one: a loop that reckons for seconds would hold theirs up.
        return await asyncio.to_thread(self._wrong, plays, changelog, boards, written)

    def _wrong(
        self,
        plays: oracle.Log,
        changelog: oracle.Log,
        boards: oracle.Log,
        written: Collection[shown.Place],
    ) -> list[str]:
        truth = oracle.Truth.of(plays)
        lost = oracle.missing(self._sent, plays)
        wrong = [f"{lost} records sent are not in the log"] if lost else []
        tracks: dict[int, set[str]] = {number: set() for number in plays}
        for number, track in zip(self.stream.homes, self.stream.tracks, strict=True):
            tracks[number].add(track)
        counts = {number: state.counted(truth, tracks[number]) for number in plays}

        def check(name: str, partition: int, values: state.Values, after: int) -> None:
            changes = state.changelog_after(changelog, partition, after)
            found = state.differences(
                state.replay(values, changes), truth, partition, counts[partition], len(plays[partition])
            )
            wrong.extend(f"{name}: {difference}" for difference in found)

        for partition in plays:
            check(f"changelog {partition}", partition, {}, -1)
        for folder in state.folders(self.settings.data_dir):
            owner = folder.path.parents[2].name
            check(f"folder {owner}/{folder.partition}", folder.partition, folder.values, folder.claimed)
        return wrong + shown.wrong_charts(shown.read_boards(self.settings, boards), truth, written)

    async def _changelog(self) -> str:
        topics = await self._consumer.topics()
        return next(topic for topic in topics if topic.endswith("tally-changelog"))


def _ranking(worker: Worker, path: str) -> list[Any]:
    with urllib.request.urlopen(f"{worker.url}{path}", timeout=30) as answer:
        chart = json.load(answer)
    return [chart["plays"], chart["tracks"], chart["entries"]]


async def eventually(fact: Callable[[], bool], what: str, timeout_s: float = 180) -> None:
    """Wait for a fact, with a deadline."""
    deadline = time.monotonic() + timeout_s
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:.0f} s: {what}")
        await asyncio.sleep(_GLANCE_S)
