"""The marker: one partition's word on what its state includes, written last in every flush."""

from dataclasses import dataclass, field, replace

import numpy as np
import orjson

from charts.tally import Ints
from charts.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Marker:
    """Everything at or below `applied` is in the tallies; nothing above it is, but for fenced values."""

    applied: int = -1
    #: The partition's stream time at that offset, epoch milliseconds.
    stream_time: int = 0
    #: Records per verdict, in the order of `Verdict`; they add up to the records consumed.
    ledger: tuple[int, ...] = (0,) * len(Verdict)
    #: Home partition → the last offset a play was forwarded to.
    forwarded: dict[int, int] = field(default_factory=dict)
    #: Hours (counted from 1970) before this one are final everywhere: folded, their play ids dropped.
    settled: int = 0
    #: Offsets that held no record: control records, aborted plays, what retention took before we came.
    absent: int = 0

    def advance(self, applied: int, stream_time: int, verdicts: Ints, absent: int = 0) -> "Marker":
        """The marker after a run of records, and of offsets without any."""
        counts = np.bincount(verdicts, minlength=len(Verdict)).tolist()
        ledger = tuple(had + more for had, more in zip(self.ledger, counts, strict=True))
        return replace(
            self, applied=applied, stream_time=stream_time, ledger=ledger, absent=self.absent + absent
        )

    def encode(self) -> bytes:
        return orjson.dumps(
            {
                "applied": self.applied,
                "stream_time": self.stream_time,
                "ledger": dict(zip(Verdict.__members__, self.ledger, strict=True)),
                "forwarded": self.forwarded,
                "settled": self.settled,
                "absent": self.absent,
            },
            option=orjson.OPT_NON_STR_KEYS,
        )

    @classmethod
    def decode(cls, value: bytes) -> "Marker":
        fields = orjson.loads(value)
        ledger = tuple(fields["ledger"].get(name, 0) for name in Verdict.__members__)
        return cls(
            fields["applied"],
            fields["stream_time"],
            ledger,
            {int(partition): offset for partition, offset in fields["forwarded"].items()},
            fields["settled"],
            # A marker from before this was written down.
            fields.get("absent", fields["applied"] + 1 - sum(ledger)),
        )
