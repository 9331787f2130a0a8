"""The field: who is measured, on which broker, with how many plays, and what each does not do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import streams
from bench.brokers import Brokers

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv/bin/python"
#: The peers want other versions of what we use, so they live in an environment of their own.
PEERS = ROOT / ".venv-bench/bin/python"

_ALL = ("embedded", "apache", "given")
_ELSEWHERE = {
    "embedded": "it needs transactions or topic configs, which the embedded broker has not: see Apache Kafka",
    "apache": "measured on the embedded broker",
}


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to count."""

    name: str
    title: str
    #: What starts it; finding that out may fetch and compile.
    command: Callable[[], tuple[str, ...]]
    #: What it does not do, of: counting, durable state, exactness after a crash, live top lists.
    lacks: str
    #: Which data set it eats in about twenty seconds.
    size: str = "large"
    counts: bool = True
    #: The kinds of brokers it is measured on.
    on: tuple[str, ...] = _ALL
    environ: dict[str, str] = field(default_factory=dict)


def _peer(module: str) -> Callable[[], tuple[str, ...]]:
    return lambda: (str(PEERS), "-m", f"bench.contenders.{module}")


def _own(module: str, *arguments: str) -> Callable[[], tuple[str, ...]]:
    return lambda: (str(PYTHON), "-m", f"bench.contenders.{module}", *arguments)


OURS, OURS_UNCHECKED = "ours", "ours without duplicates check"
CEILING = "bare getmany"
STREAMS, STREAMS_AT_LEAST_ONCE = "kafka streams", "kafka streams at least once"
FIELD = (
    Contender(CEILING, "bare aiokafka `getmany`", _own("bare"), "counts nothing", counts=False),
    Contender(
        "bare decode",
        "the same, decoded and counted in a dict",
        _own("bare", "--decode"),
        "no durable state, nothing after a crash, no top list",
        "medium",
        on=("embedded", "given"),
    ),
    Contender(OURS, "**ours**", _own("ours"), "–"),
    Contender(
        OURS_UNCHECKED,
        "**ours**, duplicates not checked",
        _own("ours"),
        "counts duplicates",
        environ={"CHARTS_DUPLICATES": "false"},
    ),
    Contender(
        STREAMS,
        "Kafka Streams, `exactly_once_v2`",
        streams.command,
        "counts duplicates; no sums of all regions, no days; a top list per partition, not merged",
        "medium",
        on=("apache", "given"),
        environ={"BENCH_GUARANTEE": "exactly_once_v2"},
    ),
    Contender(
        STREAMS_AT_LEAST_ONCE,
        "Kafka Streams, `at_least_once`",
        streams.command,
        "as above, and a crash counts twice",
        "medium",
        on=("apache", "given"),
        environ={"BENCH_GUARANTEE": "at_least_once"},
    ),
    Contender(
        "faust",
        "plain Faust agent and table",
        _own("plain"),
        "state in memory with a changelog; a crash counts twice; no top list",
        "small",
        on=("embedded", "given"),
    ),
    Contender(
        "faust take",
        "Faust agent with `take`",
        _own("plain"),
        "as the plain agent",
        "small",
        on=("embedded", "given"),
        environ={"BENCH_TAKE": "1"},
    ),
    Contender(
        "bytewax",
        "Bytewax",
        _peer("bytewax_flow"),
        "in memory, counts at the end of the topic only; no top list",
        "medium",
        on=("embedded", "given"),
    ),
    Contender(
        "pathway",
        "Pathway",
        _peer("pathway_flow"),
        "in memory, every change to a CSV file; no top list",
        "medium",
        on=("embedded", "given"),
    ),
    Contender(
        "quix",
        "Quix Streams",
        _peer("quix"),
        "counts duplicates; a crash counts twice; no top list",
        "tenth",
        on=("apache", "given"),
    ),
)


def field_on(brokers: Brokers) -> tuple[Contender, ...]:
    """Who is measured there."""
    return tuple(contender for contender in FIELD if brokers.kind in contender.on)


def elsewhere(brokers: Brokers) -> dict[str, str]:
    """Who is not, and why."""
    return {one.name: _ELSEWHERE[brokers.kind] for one in FIELD if brokers.kind not in one.on}
