"""What the bench measures, on which broker, and who is in the field there."""

import sys

import pytest

from bench.__main__ import SECTIONS, parsed, planned
from bench.brokers import APACHE, EMBEDDED, given
from bench.field import CEILING, FIELD, OURS, OURS_UNCHECKED, STREAMS, elsewhere, field_on


def plan(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[tuple[str, str]]:
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    return [(section, brokers.kind) for section, brokers in planned(parsed())]


def test_everything_is_measured_and_the_race_on_apache_kafka_too(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = plan(monkeypatch)
    assert everything[:2] == [("race", "embedded"), ("race", "apache")]
    assert [section for section, kind in everything if kind == "embedded"] == list(SECTIONS)


def test_another_broker_is_for_the_sections_that_can_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan(monkeypatch, "scaling", "http", "--apache") == [("scaling", "apache"), ("http", "embedded")]
    assert plan(monkeypatch, "--quick", "--kafka", "there:9092") == [("race", "given")]


def test_no_contender_is_left_out_without_a_word() -> None:
    for brokers in (EMBEDDED, APACHE, given("there:9092")):
        names = [contender.name for contender in field_on(brokers)]
        assert {CEILING, OURS, OURS_UNCHECKED} <= set(names)
        assert sorted([*names, *elsewhere(brokers)]) == sorted(contender.name for contender in FIELD)
    assert STREAMS in elsewhere(EMBEDDED)
