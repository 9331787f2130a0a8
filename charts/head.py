"""Heads: one partition's word on itself, published after its boards, at least once a second.

Status, `as_of`, the ledger, lag and finality are computed from heads alone, by whoever reads them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Head:
    """What partition `partition` had counted when its owner wrote this."""

    partition: int
    #: The last offset its boards include; -1 before the first.
    applied: int
    #: The end of its log when last read: what is not counted yet.
    end: int
    stream_time: int
    #: The stream time, or the wall clock less a minute where the log was read to its end and is quiet.
    clock: int
    #: Records per verdict.
    ledger: Mapping[str, int]
    #: Home partition → the last offset a play was forwarded to.
    forwarded: Mapping[int, int]
    #: Wall clock when written, epoch milliseconds.
    at: int
    #: The address of the owner's web server.
    owner: str
    #: Offsets up to `applied` that held no record: with the ledger they add up to all there were.
    absent: int = 0

    @property
    def lag(self) -> int:
        return max(0, self.end - self.applied - 1)

    def encode(self) -> bytes:
        return orjson.dumps(asdict(self), option=orjson.OPT_NON_STR_KEYS)

    @classmethod
    def decode(cls, value: bytes) -> "Head":
        fields = orjson.loads(value)
        fields["forwarded"] = {int(partition): offset for partition, offset in fields["forwarded"].items()}
        return cls(**fields)
