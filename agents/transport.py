"""The transport for runs: Faust's aiokafka transport, handing over whole runs instead of single events.

For the topics an app names, an agent receives one `charts.run.Run` per partition and fetch, and table
recovery one `ChangelogRun`. Where reading starts and what is committed follow the state that consumes the
runs (`Position`), not Faust's acknowledgements: the state knows what it holds, the group what it was told.

What a fetch is unpacked into is agents/fetches.py, how its bytes are received tables/frames.py, how often a
cluster is asked for tables/pace.py, how recovery waits for it agents/recovery.py. All else of Faust that this
project overrides is here:

    what                                        why
    ------------------------------------------  ------------------------------------------------------------
    faust.App._new_transport                    to put the transport below in
    faust.App.crash, faust.Worker               an error of ours ends the process in one line, no traceback;
                                                no spinner, which would write its own into the logs
    faust.App._on_autodiscovery_error           an agent that cannot be imported ends the start
    faust.Worker.execute_from_commandline       topics and checks come before anything else
    faust.App.on_init_dependencies              the boards are read before the web server listens
    faust Consumer._new_consumer_thread         a thread that merges record batches into runs
    faust Consumer._to_message                  the run is the message's value, its last offset the offset
    faust Consumer._filter_committable_offsets  commits follow the state
    faust Consumer._add_gap                     a run's offsets are no gap: Faust would list them one by one
    faust Consumer.on_buffer_full               a full queue holds up who fills it; Faust would read no more,
                                                and once all partitions are full, look again in a second
    faust Consumer.perform_seek                 reading starts where the state ends
    faust Consumer.wait_empty                   the last flush, on revoke and on stop; a commit that does not
                                                end is given up, since starting follows the state
    faust Consumer.close                        a rebalance during a stop would close the consumer from the
                                                wrong thread, and its last commit would never end
    faust Producer.flush, Producer.on_stop      a broker that hangs is not waited for
    faust ConsumerThread.on_thread_stop         a group that waits for a member that hangs is not waited for
    faust ConsumerThread._create_consumer       its consumer is marked: others in the process read records;
                                                it reads what is committed, so aborted plays do not count; and
                                                a partition that was read to its end holds up no other
    faust ConsumerThread._fetch_records         the same, one run per partition

`CHECKED` names the versions this was read and tested on; a test fails on others.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import faust
from faust.exceptions import ImproperlyConfigured
from faust.transport.consumer import RecordMap
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import ServiceT

from agents.fetches import CHECKED_AIOKAFKA, Piece, RunReader, merge, piece_of_records
from charts.errors import ChartsError
from charts.run import ChangelogRun, Run
from logs import ending_in_one_line

#: A broker with nothing to send answers a fetch after so long (Faust: 1,500 ms). Until then it is asked for
#: nothing else, not for partitions that have much to read either.
_FETCH_WAIT_MS = 100
#: How long a commit, leaving the group and what is still to be sent may take when the worker stops: with the
#: last flush and all else, ten seconds.
_COMMIT_S, _LEAVE_S, _SEND_S = 1.0, 2.0, 0.5

CHECKED = {"faust-streaming": "0.15.3", "aiokafka": CHECKED_AIOKAFKA}

log = logging.getLogger(__name__)


class Position(Protocol):
    """The state behind the runs, as far as reading and committing go."""

    def committable(self) -> Mapping[TP, int]:
        """The next offset of every partition that is durably applied."""

    def expected(self) -> Mapping[TP, int]:
        """Where reading must go on; partitions that hold nothing yet are left out."""

    async def settle(self) -> None:
        """Make durable what was taken in, and take in no more: partitions are leaving, or the worker."""


class App(faust.App):
    """A Faust app whose `run_topics` (and tables named there) are read in runs."""

    position: Position | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        self.run_topics: set[str] = set()
        self.changelog_topics: set[str] = set()
        #: Awaited before anything of Faust starts.
        self.before_start: list[Callable[[], Awaitable[None]]] = []
        #: Services that start first, before the web server listens, and stop last.
        self.first: list[ServiceT] = []
        super().__init__(*args, **options)

    async def crash(self, reason: BaseException) -> None:
        """Stop everything; what is ours to say needs no traceback."""
        if not isinstance(reason, ChartsError):
            await super().crash(reason)
            return
        log.critical("%s", reason)
        # The process alone: it then stops its services one by one, and in peace.
        process = (self.beacon.root or self.beacon).data
        process.crash_reason = reason
        process._crashed.set()
        if not self.tables.recovery.completed.is_set():
            # A start waits for the recovery, which may never come now, and looks only then.
            self.tables._crashed.set()

    def on_init_dependencies(self) -> Iterable[ServiceT]:
        return [*self.first, *super().on_init_dependencies()]

    def _new_transport(self) -> "Transport":
        return Transport(self.conf.broker_consumer, self, loop=self.loop)

    def _on_autodiscovery_error(self, name: str) -> None:
        """Half a worker is none: Faust would warn, and go on without the agent."""
        raise ImproperlyConfigured(f"{name} cannot be imported") from sys.exc_info()[1]

    def reads_runs(self, topic: str) -> bool:
        return topic in self.run_topics or topic in self.changelog_topics


class Worker(faust.Worker):
    """The process: logs as the settings say; what crashed it is its last line, and its exit code."""

    def on_setup_root_logger(self, logger: logging.Logger, level: int) -> None:
        """Leave the levels alone: Faust's spinner opens the root logger wide, and drops below --loglevel."""
        self.spinner = None

    def execute_from_commandline(self) -> NoReturn:
        with ending_in_one_line():
            for prepare in self.app.before_start:
                self.loop.run_until_complete(prepare())
        super().execute_from_commandline()

    def stop_and_shutdown(self) -> None:
        with ending_in_one_line():
            super().stop_and_shutdown()


@dataclass(frozen=True, slots=True)
class _RunRecord:
    """A run in the clothes of a consumer record."""

    topic: str
    partition: int
    run: Run | ChangelogRun


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Fetches as Faust does, and merges what belongs to one partition into one run."""

    def _create_consumer(self, loop: Any) -> Any:
        consumer = super()._create_consumer(loop)
        consumer._key_deserializer = RunReader(self.app)
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        # Faust reads what is not committed, unless it writes transactions itself.
        consumer._isolation_level = "read_committed"
        return consumer

    async def on_thread_stop(self) -> None:
        try:
            async with asyncio.timeout(_LEAVE_S):
                await super().on_thread_stop()
        except TimeoutError:
            log.warning("the group is not left: it will notice by itself")

    async def _fetch_records(self, consumer: Any, active_partitions: set[TP], **options: Any) -> RecordMap:
        fetched = await super()._fetch_records(consumer, active_partitions, **options)
        return {
            tp: self._as_run(tp, found) if self.app.reads_runs(tp.topic) and found else found
            for tp, found in fetched.items()
        }

    def _as_run(self, tp: TP, found: list[Any]) -> list[_RunRecord]:
        if not isinstance(found[0], Piece):
            found = [piece_of_records(found, tp.topic in self.app.changelog_topics)]
        return [_RunRecord(tp.topic, tp.partition, merge(tp.partition, found))]


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Commits, and starts, where the state says."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        if not isinstance(record, _RunRecord):
            return super()._to_message(tp, record)
        return ConsumerMessage(
            record.topic,
            record.partition,
            record.run.next - 1,
            0.0,
            0,
            (),
            b"run",
            record.run,
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if not self.app.reads_runs(tp.topic):
            await super()._add_gap(tp, offset_from, offset_to)

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing to do for runs: who puts one into a full queue waits until there is room."""
        if not self.app.reads_runs(tp.topic):
            super().on_buffer_full(tp)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        acked = super()._filter_tps_with_pending_acks(topics)
        return (tp for tp in acked if not self.app.reads_runs(tp.topic))

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        offsets: dict[TP, int] = super()._filter_committable_offsets(tps)
        for tp, offset in self.app.position.committable().items():
            self._acked[tp].clear()
            self._acked_index[tp].clear()
            if self._should_commit(tp, offset):
                offsets[tp] = offset
        return offsets

    async def perform_seek(self) -> None:
        await super().perform_seek()
        mine = self.assignment()
        wanted = {tp: offset for tp, offset in self.app.position.expected().items() if tp in mine}
        if wanted:
            await self.seek_wait(wanted)

    async def wait_empty(self) -> None:
        await self.app.position.settle()
        try:
            async with asyncio.timeout(_COMMIT_S):
                await super().wait_empty()
        except TimeoutError:
            log.warning("the last offsets are not committed: the state knows them")

    def close(self) -> None:
        """Nothing to do: the thread closes its consumer when it stops."""


class Producer(driver.Producer):  # type: ignore[misc]
    """Faust's, but it does not wait for a broker that hangs: who reads on sends what is not acknowledged."""

    async def flush(self) -> None:
        await self._unless_stopping(super().flush())

    async def on_stop(self) -> None:
        await self._unless_stopping(super().on_stop())

    async def _unless_stopping(self, sent: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(_SEND_S if self.transport.app.should_stop else None):
                await sent
        except TimeoutError:
            log.warning("the broker hangs: what is still to be sent is left")


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with the consumer and the producer above."""

    Consumer = Consumer
    Producer = Producer
