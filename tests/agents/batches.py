"""Record batches as brokers deliver them, made with aiokafka's own builder and a few bytes of patience."""

import struct
from dataclasses import dataclass

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

#: Where a batch's fields lie: Kafka's record batch, version 2.
_BASE, _CRC, _ATTRIBUTES, _LAST_DELTA, _MAX_TIME = 0, 17, 21, 23, 35
_LOG_APPEND_TIME, _CONTROL = 0x08, 0x20
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
#: A control record's key: version 0, and what became of the transaction.
ABORT, COMMIT = struct.pack(">hh", 0, 0), struct.pack(">hh", 0, 1)

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Sent:
    """A record as it was sent."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True)
class Batch:
    """Records of one batch, some of which compaction may have taken since: it still spans `[first, next)`."""

    first: int
    next: int
    records: tuple[Sent, ...]
    codec: str = "none"
    #: The producer, where it is part of a transaction.
    producer: int = -1
    is_control: bool = False
    #: The broker's time, where that is what counts.
    appended_at: int | None = None

    def encode(self) -> bytes:
        builder = DefaultRecordBatchBuilder(
            2, CODECS[self.codec], int(self.producer >= 0), self.producer, 0, 0, 1 << 20
        )
        for record in self.records:
            builder.append(
                record.offset - self.first, record.timestamp, record.key, record.value, record.headers
            )
        octets = bytearray(builder.build())
        (attributes,) = struct.unpack_from(">h", octets, _ATTRIBUTES)
        attributes |= _CONTROL if self.is_control else 0
        if self.appended_at is not None:
            attributes |= _LOG_APPEND_TIME
            struct.pack_into(">q", octets, _MAX_TIME, self.appended_at)
        struct.pack_into(">q", octets, _BASE, self.first)
        struct.pack_into(">h", octets, _ATTRIBUTES, attributes)
        struct.pack_into(">i", octets, _LAST_DELTA, self.next - 1 - self.first)
        struct.pack_into(">I", octets, _CRC, calc_crc32c(octets[_ATTRIBUTES:]))
        return bytes(octets)


def control(offset: int, producer: int, key: bytes) -> Batch:
    """The end of a transaction."""
    return Batch(offset, offset + 1, (Sent(offset, 1, key, b"\0\0\0\0\0\0", []),), "none", producer, True)
