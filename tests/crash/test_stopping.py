"""A worker that is told to stop does so within ten seconds, whoever it would have to wait for."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.crash.storm import Storm, eventually
from tests.crash.worker import STOP_S

pytestmark = pytest.mark.alone

#: What a worker writes when its group is made anew, which then waits for the session of who hangs.
JOINING = "(Re-)joining group"


@pytest.mark.kafka
@pytest.mark.timeout(300)
async def test_a_stop_does_not_wait_for_a_member_that_hangs(tmp_path: Path, seed: int) -> None:
    async with Storm(tmp_path, seed, session_timeout=30) as storm:
        leaving, stopping, hanging = storm.workers
        for worker in storm.workers:
            worker.start()
            await eventually(lambda worker=worker: storm.owns(worker), f"{worker.name} owns something")
        async with storm.streaming():
            hanging.send(signal.SIGSTOP)
            joined = stopping.said(JOINING)
            took = [await asyncio.to_thread(leaving.stop)]
            await eventually(lambda: stopping.said(JOINING) > joined, "it is noticed that one left")
            took.append(await asyncio.to_thread(stopping.stop))
        hanging.send(signal.SIGCONT)
        assert max(took) < STOP_S, f"stops took {took} s\n{storm.last_lines()}"
        assert not (await storm.rest() + await storm.stop_all() + await storm.reckon())


@pytest.mark.kafka
@pytest.mark.timeout(300)
async def test_a_stop_does_not_wait_for_a_broker_that_hangs(tmp_path: Path, seed: int) -> None:
    async with Storm(tmp_path, seed) as storm:
        stopping, staying, _ = storm.workers
        for worker in (stopping, staying):
            worker.start()
            await eventually(lambda worker=worker: storm.owns(worker), f"{worker.name} owns something")
        async with storm.streaming():
            await asyncio.sleep(2)
            storm.kafka.process.signal(signal.SIGSTOP)
            try:
                # There is something to flush, and it is being sent.
                await asyncio.sleep(2)
                took = await asyncio.to_thread(stopping.stop)
            finally:
                storm.kafka.process.signal(signal.SIGCONT)
        assert took < STOP_S, f"the stop took {took} s\n{storm.last_lines()}"
        assert not (await storm.rest() + await storm.stop_all() + await storm.reckon())
