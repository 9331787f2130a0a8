"""Quix Streams: a stateful dataframe, RocksDB beneath it and a changelog beside it."""

from typing import Any

from quixstreams import Application, State

from bench.contenders.told import FOLDER, HOUR_MS, NAME, PLAYS, TOPIC, URL, now, tell

first = 0.0
found: dict[str, int] = {}
app = Application(
    broker_address=URL,
    consumer_group=NAME,
    auto_offset_reset="earliest",
    state_dir=str(FOLDER / "state"),
    commit_interval=2.0,
    consumer_extra_config={"session.timeout.ms": 6000},
)


def count(play: dict[str, Any], state: State) -> None:
    global first  # noqa: PLW0603
    first = first or now()
    cell = f"{play['region']} {play['played_at'] // HOUR_MS} {play['track_id']}"
    found[cell] = plays = (state.get(cell) or 0) + 1
    state.set(cell, plays)


app.dataframe(app.topic(TOPIC, value_deserializer="json")).update(count, stateful=True)

if __name__ == "__main__":
    app.run(count=PLAYS)
    # It has made its last checkpoint: changelog, RocksDB and offsets are written.
    last = now()
    split = (cell.split(" ") for cell in found)
    rows = zip(split, found.values(), strict=True)
    tell(first, last, ((region, int(hour), track, plays) for (region, hour, track), plays in rows))
