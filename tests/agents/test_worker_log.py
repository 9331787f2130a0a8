"""A worker's log: one JSON object a line and nothing else, with what is needed to find things, no secret."""

from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer

from charts.play import Play
from tests.counting import counting

SECRETS = {
    "CHARTS_JWT_SECRET": "a-secret-to-sign-with-that-nobody-reads",
    "CHARTS_METRICS_TOKEN": "a-token-for-the-metrics",
    "CHARTS_POSTGRES_URL": "postgresql://charts:a-password-of-postgres@127.0.0.1:1/charts",
    "AWS_ACCESS_KEY_ID": "an-access-key",
    "AWS_SECRET_ACCESS_KEY": "a-secret-access-key",
}
NOW = 1_795_270_000_000


async def test_every_line_is_json_and_none_holds_a_secret(
    kafka: str, tmp_path: Path, topic_name: str
) -> None:
    log_id = topic_name.replace("-", "")[-20:]
    folder = tmp_path
    async with counting(kafka, folder, log_id, CHARTS_LOG_LEVEL="debug", **SECRETS) as worker:
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            play = Play("p", "u", "t", "DE", NOW, 60_000).encode()
            await producer.send_and_wait(f"song-plays-{log_id}", play, partition=0, timestamp_ms=NOW)
        await worker.counted(1)
        body = {"username": "ann", "password": "a-password-of-ann"}
        headers = {"X-Request-ID": "the-id-of-this-request", "Authorization": "Bearer a-stolen-token"}
        async with worker.session.post("/v1/auth/token?secret=in-the-query", json=body, headers=headers):
            pass
    text = (folder / "worker.log").read_text()
    lines = [orjson.loads(line) for line in text.splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(line) for line in lines))
    [access] = [line for line in lines if line.get("request_id") == "the-id-of-this-request"]
    assert (access["logger"], access["route"], access["method"]) == ("web.access", "/v1/auth/token", "POST")
    [loaded] = [line for line in lines if "loaded" in line["message"] and line["logger"] == "tables.tally"]
    assert (loaded["partition"], loaded["last_offset"]) == (0, -1)
    for secret in (*SECRETS.values(), "a-password-of-ann", "a-stolen-token", "in-the-query"):
        assert secret not in text
    assert "a-password-of-postgres" not in text
