"""A copy in waiting: who takes a partition over reads the end of its changelog, not all of it."""

import asyncio
import logging
from pathlib import Path

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from tests.crash import oracle
from tests.crash.storm import PARTITIONS, Storm, eventually
from tests.crash.worker import Worker

log = logging.getLogger(__name__)

#: For a copy to be whole, once all is counted.
COPIED_S = 60.0
#: Tens of thousands of tallies.
CHUNKS = 60


@pytest.mark.kafka
@pytest.mark.timeout(400)
@pytest.mark.parametrize("standbys", [1, 0])
async def test_who_has_a_copy_reads_the_rest_alone(tmp_path: Path, seed: int, standbys: int) -> None:
    async with Storm(tmp_path, seed, standbys=standbys) as storm:
        leaving, staying = storm.workers[:2]
        for worker in (leaving, staying):
            worker.start()
            await eventually(lambda worker=worker: storm.owns(worker), f"{worker.name} owns something")
        await storm.send(CHUNKS)
        assert not await storm.rest()
        changelog = await oracle.read(storm.kafka.url, await storm._changelog())
        left = sum(len(changelog[number]) for number in owned(storm, leaving))
        assert left > 1000, "there is something to copy"
        if standbys:
            async with asyncio.timeout(COPIED_S):
                # A copy is written four runs at a time: more must come until all of these are.
                while await recovered(staying) < left:
                    await storm.send(1)
                    await asyncio.sleep(0.3)
        assert not await storm.rest()
        before = await recovered(staying)
        await asyncio.to_thread(leaving.stop)
        await eventually(lambda: len(owned(storm, staying)) == PARTITIONS, "the other has them all")
        assert not await storm.rest()
        read = await recovered(staying) - before
        log.info("%d standbys: %d of %d records read to take over", standbys, read, left)
        wrong = await storm.stop_all() + await storm.reckon()
    assert not wrong, f"seed {seed}: {wrong[:20]}"
    # The last runs are not in the copy yet.
    assert read < left / 4 if standbys else read >= left


def owned(storm: Storm, worker: Worker) -> list[int]:
    """The partitions whose heads name this worker."""
    port = f":{worker.settings.web_port}"
    return [number for number, head in storm.boards.heads.items() if head.owner.endswith(port)]


async def recovered(worker: Worker) -> float:
    """How many records of changelogs it has read so far, for itself or as a copy."""
    async with ClientSession(worker.url) as session, session.get("/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    return next(f.samples[0].value for f in families if f.name == "livecharts_recovered_records")
