"""A partition's metrics are where its owner is: there when it comes, gone when it goes."""

import asyncio
import secrets
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.counting import DEADLINE_S, Counting, counting

PARTITIONS = {"0", "1"}
#: Counts stand as soon as it is open, the others once its first head is out.
METRICS = {"livecharts_partition_lag_records", "livecharts_records"}


async def told(worker: Counting) -> dict[str, set[str]]:
    """The partitions each metric has figures of."""
    async with worker.session.get("/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    return {
        family.name: {sample.labels["partition"] for sample in family.samples}
        for family in families
        if any("partition" in sample.labels for sample in family.samples)
    }


async def shared(*workers: Counting) -> list[set[str]]:
    """What each worker tells of, once every partition is told of by one alone, in all metrics alike."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found = [await told(worker) for worker in workers]
            alike = [set(map(frozenset, metrics.values())) for metrics in found]
            if all(metrics.keys() >= METRICS for metrics in found) and all(len(sets) == 1 for sets in alike):
                owned = [set(*sets) for sets in alike]
                if set.union(*owned) == PARTITIONS and sum(map(len, owned)) == len(PARTITIONS):
                    return owned
            await asyncio.sleep(0.1)


async def test_a_partition_s_metrics_go_with_it(kafka: str, tmp_path: Path) -> None:
    log_id, settings = secrets.token_hex(4), {"CHARTS_PARTITIONS": str(len(PARTITIONS))}
    async with counting(kafka, tmp_path / "one", log_id, **settings) as one:
        assert await shared(one) == [PARTITIONS]
        async with counting(kafka, tmp_path / "two", log_id, **settings) as two:
            mine, other = await shared(one, two)
            assert len(mine) == len(other) == 1
        assert await shared(one) == [PARTITIONS]
