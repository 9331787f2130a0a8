"""Meters of the web: requests, by what was asked and how it went."""

from prometheus_client import Histogram

from tables.meters import METERS

HTTP_SECONDS = Histogram(
    "livecharts_http_seconds",
    "Requests by route, method and status.",
    ["route", "method", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=METERS,
)
