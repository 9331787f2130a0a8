"""A header whose name is no UTF-8: Kafka takes it, and everything behind it must still be counted."""

import secrets
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

from charts.play import Play
from charts.window import HOUR_MS
from tables.changelog import pack
from tests.counting import counting

NOW = 1_760_000_000_000 // HOUR_MS * HOUR_MS + 10 * 60_000
ODD = b"\xff\xfe"
#: A record batch: its checksum, and where what it covers begins.
_CRC, _COVERED = slice(17, 21), 21


def odd_batch(values: list[bytes]) -> BatchBuilder:
    """Plays in one batch, the one in the middle with a header no text can name."""
    batch = BatchBuilder(1 << 16, 0)
    for row, value in enumerate(values):
        headers = [("??", b"x")] if row == len(values) // 2 else []
        batch._builder.append(row, NOW, b"t", value, headers)
    batch._relative_offset = len(values)
    body = bytearray(batch._build())
    at = body.rindex(b"??")
    body[at : at + 2] = ODD
    body[_CRC] = calc_crc32c(bytes(body[_COVERED:])).to_bytes(4, "big")
    batch._buffer = body
    return batch


async def test_a_header_that_is_no_text_stops_nobody(kafka: str, tmp_path: Path) -> None:
    plays = [Play(f"p{n}", "u", "t", "DE", NOW - 60_000, 180_000, title="T").encode() for n in range(9)]
    async with counting(kafka, tmp_path, secrets.token_hex(4)) as worker:
        topic = f"song-plays-{worker.log_id}"
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            for batch in (odd_batch(plays[:5]), *pack([(b"t", value) for value in plays[5:]], NOW)):
                await (await producer.send_batch(batch, topic, partition=0))
        assert await worker.counted(9) == {"counted": 9}
        for number in (1, 2, 7):
            status, receipt = await worker.get(f"/v1/plays/p{number}", track_id="t")
            assert (status, receipt["verdict"]) == (200, "counted")
            assert (receipt["play"] is None) == (number == 2), "aiokafka stops before the odd one"
