"""Chunks: the same cuts, however the log was fetched and wherever a worker died.

offsets   0 … 49,999 | 50,000 …          stream time   13:59:59 | 14:00:00
chunks    [0 ········)[50,000 ··                     ··)[··
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from charts.chunk import CHUNK_OFFSETS, Chunk, Cutter
from charts.run import Run
from charts.window import HOUR_MS


def a_log(steps: list[tuple[int, int]], first: int) -> Run:
    """Records with gaps between their offsets, at times that may step back."""
    offsets = first + np.cumsum([gap for gap, _ in steps], dtype=np.int64)
    timestamps = np.maximum(np.cumsum([step for _, step in steps], dtype=np.int64) + 10 * HOUR_MS, 0)
    values = [b"%d" % offset for offset in offsets]
    return Run(3, first, int(offsets[-1]) + 1, values, offsets, timestamps)


def obvious(log: Run) -> list[tuple[int, int, list[int]]]:
    """The oracle: walk the records one by one. Full chunks as first offset, next offset, offsets."""
    chunks: list[tuple[int, int, list[int]]] = []
    rows: list[int] = []
    time, place = 0, None
    for offset, timestamp in zip(log.offsets.tolist(), log.timestamps.tolist(), strict=True):
        time = max(time, timestamp)
        here = (offset // CHUNK_OFFSETS, time // HOUR_MS)
        if place is not None and here != place:
            chunks.append((rows[0], offset, rows))
            rows = []
        rows, place = [*rows, offset], here
    return chunks


def seen(chunk: Chunk) -> tuple[int, int, list[int]]:
    return chunk.first, chunk.next, [int(offset) for run in chunk.runs for offset in run.offsets]


gaps = st.integers(1, 3) | st.sampled_from([1, 20_000, CHUNK_OFFSETS])
times = st.integers(-1000, 1000) | st.sampled_from([0, HOUR_MS // 3, HOUR_MS, 5 * HOUR_MS, -HOUR_MS])
logs = st.builds(a_log, st.lists(st.tuples(gaps, times), min_size=1, max_size=60), st.integers(0, 120_000))


def pieces(log: Run, draw: st.DataObject) -> list[Run]:
    """The log as somebody fetched it: cut anywhere, some of it delivered twice."""
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(log)), max_size=6)))
    runs = []
    for a, b in zip([0, *cuts], [*cuts, len(log)], strict=False):
        back = draw.draw(st.integers(0, 3))
        start = int(log.offsets[max(0, a - back)]) if a < len(log) else log.next
        stop = int(log.offsets[b]) if b < len(log) else log.next
        whole = log.after(start)
        keep = int(np.searchsorted(whole.offsets, stop))
        runs.append(Run(3, start, stop, whole.values[:keep], whole.offsets[:keep], whole.timestamps[:keep]))
    return runs


@given(logs, st.data())
def test_cuts_follow_from_the_log_alone(log: Run, data: st.DataObject) -> None:
    cutter = Cutter(3)
    full = [chunk for run in pieces(log, data) for chunk in cutter.feed(run)]
    assert [seen(chunk) for chunk in full] == obvious(log)
    written = [offset for chunk in full for offset in seen(chunk)[2]]
    assert cutter.growing is not None
    assert written + seen(cutter.growing)[2] == log.offsets.tolist()
    for chunk in full:
        assert chunk.hour == max(log.timestamps[log.offsets < chunk.next].max(), 0) // HOUR_MS


@given(logs, st.data())
def test_a_worker_that_starts_at_a_chunk_cuts_the_same_chunks_on(log: Run, data: st.DataObject) -> None:
    """Crashes anywhere: every time a fresh cutter begins where the last full chunk ended."""
    store: dict[int, Chunk] = {}
    lives = [*data.draw(st.lists(st.integers(0, 7), max_size=5)), None]
    for life in lives:
        last = max(store.values(), key=lambda chunk: chunk.next, default=None)
        cutter = Cutter(3, last.next, last.after) if last else Cutter(3)
        for run in pieces(log.after(cutter.start), data)[:life]:
            for chunk in cutter.feed(run):
                known = store.setdefault(chunk.first, chunk)
                assert seen(known) == seen(chunk)
                assert (known.before, known.after) == (chunk.before, chunk.after)
    rows = [offset for first in sorted(store) for offset in seen(store[first])[2]]
    growing = seen(cutter.growing)[2] if cutter.growing else []
    assert rows + growing == log.offsets.tolist()


def test_the_exact_hour_opens_the_next_chunk() -> None:
    log = a_log([(1, HOUR_MS - 1), (1, 1), (1, 0)], 0)
    (chunk,) = Cutter(3).feed(log)
    assert seen(chunk) == (1, 2, [1])
    assert chunk.hour == 10
    assert chunk.after == 11 * HOUR_MS - 1
