"""Bytewax: batches folded into cells, cells summed by key; in memory, emitted at the end of the topic."""

from collections import Counter
from operator import add
from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from confluent_kafka import OFFSET_BEGINNING

from bench.contenders.told import HOUR_MS, TOPIC, URL, now, tell

found: list[tuple[str, int]] = []
first = 0.0


def cells(messages: list[Any]) -> list[tuple[str, int]]:
    """A batch of messages as cells and their plays."""
    global first  # noqa: PLW0603
    first = first or now()
    plays = map(orjson.loads, (message.value for message in messages))
    keys = (f"{play['region']} {play['played_at'] // HOUR_MS} {play['track_id']}" for play in plays)
    return list(Counter(keys).items())


class Keep(StatelessSinkPartition[tuple[str, int]]):
    def write_batch(self, items: list[tuple[str, int]]) -> None:
        found.extend(items)


class Sink(DynamicSink[tuple[str, int]]):
    def build(self, *_: Any) -> Keep:
        return Keep()


flow = Dataflow("charts")
source = KafkaSource([URL], [TOPIC], starting_offset=OFFSET_BEGINNING, tail=False, batch_size=10_000)
counted = op.reduce_final("sum", op.flat_map_batch("cells", op.input("plays", flow, source), cells), add)
op.output("keep", counted, Sink())

if __name__ == "__main__":
    run_main(flow)
    last = now()
    split = (cell.split(" ") for cell, _ in found)
    rows = zip(split, (plays for _, plays in found), strict=True)
    tell(first, last, ((region, int(hour), track, plays) for (region, hour, track), plays in rows))
