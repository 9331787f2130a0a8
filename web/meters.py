"""Meters of the web: requests, plays taken in, who was turned away, who watches."""

from prometheus_client import Counter, Gauge, Histogram

from tables.meters import METERS

HTTP_SECONDS = Histogram(
    "livecharts_http_seconds",
    "Requests by route, method and status.",
    ["route", "method", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=METERS,
)
POSTED_PLAYS = Counter(
    "livecharts_posted_plays", "Plays posted, by what Kafka said to them.", ["outcome"], registry=METERS
)
OUTBOX_BYTES = Gauge("livecharts_outbox_bytes", "Plays posted that wait for Kafka.", registry=METERS)
LIVE_CLIENTS = Gauge("livecharts_live_clients", "Live streams open now.", registry=METERS)
REJECTED_LOGINS = Counter(
    "livecharts_rejected_logins",
    "Credentials refused: a wrong password, a name locked after many, a refresh or access token.",
    ["why"],
    registry=METERS,
)
for outcome in ("acknowledged", "failed"):
    POSTED_PLAYS.labels(outcome)
for why in ("password", "locked", "refresh", "token"):
    REJECTED_LOGINS.labels(why)
