"""Receipts where memory and lake meet: what counted is forgotten with its hour, its repeats a while later."""

import asyncio
import secrets
from pathlib import Path

from aiokafka import AIOKafkaProducer

from charts.settings import Settings
from charts.window import HOUR_MS, MINUTE_MS, SECOND_MS
from tables.store import open_store
from tests.counting import DEADLINE_S, Counting, counting
from tests.lake.made import T0
from tests.lake.scene import PARTITIONS, Scene


async def test_a_repeat_that_is_still_remembered_does_not_speak_for_its_play(
    kafka: str, tmp_path: Path
) -> None:
    scene = Scene(secrets.token_hex(4))
    partition, offset = scene.send(T0 + 5 * MINUTE_MS, track_id="t", play_id="p")
    scene.send(T0 + 65 * MINUTE_MS, track_id="t", play_id="p", played_at=T0 + 5 * MINUTE_MS)
    scene.send(
        T0 + 66 * MINUTE_MS, track_id="t", play_id="p", played_at=T0 + 5 * MINUTE_MS, ms_played=SECOND_MS
    )
    # The play's hour is final, the one its repeats came in is not.
    scene.tick(T0 + 3 * HOUR_MS + MINUTE_MS)
    lake = f"file://{tmp_path}/lake"
    async with open_store(Settings(lake_url=lake)) as store:
        await scene.keep(store)
    settings = {"CHARTS_PARTITIONS": str(PARTITIONS), "CHARTS_LAKE_URL": lake}
    async with counting(kafka, tmp_path, scene.log, **settings) as worker:
        await send(kafka, scene)
        assert await worker.counted(5) == {"counted": 1, "duplicate": 1, "short": 1, "malformed": 2}
        async with asyncio.timeout(DEADLINE_S):
            while await remembered(worker) != ["duplicate", "short"]:
                await asyncio.sleep(0.1)
        status, receipt = await worker.get("/v1/plays/p", track_id="t")
    assert (status, receipt["told_by"], receipt["verdict"]) == (200, "lake", "counted")
    assert (receipt["partition"], receipt["offset"]) == (partition, offset)
    assert len(receipt["windows"]) == 4
    assert [record["verdict"] for record in receipt["records"]] == ["counted", "duplicate", "short"]


async def remembered(worker: Counting) -> list[str]:
    """What the worker itself knows of the play's records."""
    _, told = await worker.get("/v1/plays/p", track_id="t", here="true")
    return [record["verdict"] for record in told["records"]]


async def send(kafka: str, scene: Scene) -> None:
    """The scene's records into the worker's log, each where it belongs."""
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for partition in range(PARTITIONS):
            for value, stamp in zip(scene.values[partition], scene.stamps[partition], strict=True):
                await producer.send_and_wait(
                    f"song-plays-{scene.log}", value, partition=partition, timestamp_ms=stamp
                )
