"""Shapes: the models of what the charts' endpoints answer, for the document and for clients.

They describe; the answers themselves are made from `charts/` without passing through them. A test holds
the two together.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from charts.chart import Movement
from charts.window import Kind, Status

#: Two capitals, or `global`.
Region = Annotated[str, Field(pattern=r"^([A-Z]{2}|global)$", description="ISO 3166-1 alpha-2, or `global`")]
Time = Annotated[
    str,
    Field(
        json_schema_extra={"format": "date-time"}, description="RFC 3339, UTC", min_length=1, max_length=40
    ),
]


class EntryShape(BaseModel):
    """One row of a chart."""

    rank: int = Field(ge=1)
    track_id: str
    title: str | None
    artist: str | None
    plays: int = Field(ge=0)
    share: float = Field(ge=0, le=1, description="of the region's plays in this window")
    previous_rank: int | None = Field(description="in the window before, as it stands")
    movement: Movement | None
    peak_rank: int | None
    windows_on_chart: int | None


class ChartShape(BaseModel):
    """One region's ranking in one window: by plays, then by track id, so without ties."""

    region: str
    window: Kind
    starts_at: Time
    ends_at: Time
    status: Status = Field(description="`closing`: over, but late plays may still count")
    as_of: Time = Field(description="event time up to which every partition has counted")
    stale: bool = Field(description="a partition has not been heard of lately")
    freshness_ms: int | None = Field(description="age of the oldest partition's word")
    revision: int
    rules: str = Field(description="names the exact thresholds plays were judged by")
    source: str
    plays: int
    tracks: int
    entries: list[EntryShape]


class ChartName(BaseModel):
    """A chart that can be asked for."""

    region: str
    window: Kind
    starts_at: Time
    ends_at: Time
    status: Status


class ChartList(BaseModel):
    """The charts there are now."""

    as_of: Time
    regions: list[str]
    charts: list[ChartName]


class PartitionLedger(BaseModel):
    """One partition's verdicts."""

    partition: int
    records: int
    verdicts: dict[str, int]


class LedgerShape(BaseModel):
    """What became of every record: the verdicts add up to the records consumed."""

    as_of: Time
    records: int
    verdicts: dict[str, int]
    partitions: list[PartitionLedger]


class PartitionShape(BaseModel):
    """One partition's head."""

    partition: int
    clock: Time = Field(description="event time up to which it has counted")
    stream_time: Time = Field(description="its greatest record timestamp")
    applied: int = Field(description="the last offset its counts include")
    lag: int = Field(description="records in its log that it has not counted yet")
    forwarded: dict[int, int] = Field(description="home partition → the last offset a play was forwarded to")
    freshness_ms: int


class PartitionsShape(BaseModel):
    """The heads of all partitions."""

    as_of: Time
    ready: bool
    freshness_ms: int | None
    partitions: list[PartitionShape]


class State(BaseModel):
    """One dependency, and why it is as it is."""

    ok: bool
    required: bool
    reason: str | None = None


class ReadyShape(BaseModel):
    """Whether this worker can answer, dependency by dependency."""

    ready: bool
    status: Literal["ready", "degraded", "starting"]
    checks: dict[str, State]


class HealthShape(BaseModel):
    """Alive."""

    status: Literal["healthy"]
    service: Literal["livecharts"]
