"""A worker whose state was counted from another log stops: one line, its exit code, no traceback."""

from pathlib import Path

from aiokafka import AIOKafkaProducer

from charts.play import Play
from simulator.servers import Kafka, free_ports
from tests.brokers import on_tansu
from tests.counting import DEADLINE_S, counting, started

NOW = 1_795_270_000_000


@on_tansu
async def test_a_broker_that_forgot_its_log(tmp_path: Path) -> None:
    """The embedded broker forgets when it stops; tests/apache deletes the topic of a real one."""
    [port] = free_ports(1)
    for start in ("first", "second"):
        kafka = Kafka(tmp_path, port)
        kafka.start()
        try:
            kafka.wait()
            if start == "first":
                async with counting(kafka.url, tmp_path, "forgotten") as worker:
                    async with AIOKafkaProducer(bootstrap_servers=kafka.url) as producer:
                        play = Play("p", "u", "t", "DE", NOW, 60_000).encode()
                        for _ in range(3):
                            await producer.send("song-plays-forgotten", play, partition=0, timestamp_ms=NOW)
                        await producer.flush()
                    await worker.counted(3)
                    environ = worker.environ
            else:
                process = started(environ, tmp_path)
                assert process.gone(DEADLINE_S)
                assert process.exit_code == 4
        finally:
            kafka.stop()
    text = (tmp_path / "worker.log").read_text()
    assert "Traceback" not in text
    assert text.splitlines()[-1] == (
        "charts: song-plays-forgotten/0 ends at 0, but 2 was counted: this is another log; "
        "give it another CHARTS_LOG_ID"
    )
