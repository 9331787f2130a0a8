"""The field: who is measured, what each does and does not do, and how many plays it is given."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv/bin/python"
#: The peers want other versions of what we use, so they live in an environment of their own.
PEERS = ROOT / ".venv-bench/bin/python"


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to count."""

    name: str
    title: str
    command: tuple[str, ...]
    #: What it does not do, of: counting, durable state, exactness after a crash, live top lists.
    lacks: str
    #: Which data set it eats in about twenty seconds.
    size: str = "large"
    counts: bool = True
    #: What it asks of its surroundings, said where it cannot run.
    needs: str = ""
    environ: dict[str, str] = field(default_factory=dict)


def _peer(module: str) -> tuple[str, ...]:
    return (str(PEERS), "-m", f"bench.contenders.{module}")


def _own(module: str, *arguments: str) -> tuple[str, ...]:
    return (str(PYTHON), "-m", f"bench.contenders.{module}", *arguments)


OURS, OURS_UNCHECKED = "ours", "ours without duplicates check"
CEILING = "bare getmany"
FIELD = (
    Contender(CEILING, "bare aiokafka `getmany`", _own("bare"), "counts nothing", counts=False),
    Contender(
        "bare decode",
        "the same, decoded and counted in a dict",
        _own("bare", "--decode"),
        "no durable state, nothing after a crash, no top list",
        "medium",
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
        "faust",
        "plain Faust agent and table",
        _own("plain"),
        "state in memory with a changelog; a crash counts twice; no top list",
        "small",
    ),
    Contender(
        "faust take",
        "Faust agent with `take`",
        _own("plain"),
        "as the plain agent",
        "small",
        environ={"BENCH_TAKE": "1"},
    ),
    Contender(
        "bytewax",
        "Bytewax",
        _peer("bytewax_flow"),
        "in memory, counts at the end of the topic only; no top list",
        "medium",
    ),
    Contender(
        "pathway",
        "Pathway",
        _peer("pathway_flow"),
        "in memory, every change to a CSV file; no top list",
        "medium",
    ),
    Contender(
        "quix",
        "Quix Streams",
        _peer("quix"),
        "at least once; no top list",
        "small",
        needs="it asks the broker for topic configs, which the embedded one does not answer",
    ),
)


def cannot_run() -> dict[str, str]:
    """Who is not measured here, and why."""
    why = "its Java program is not written yet; it needs Apache Kafka and Maven Central"
    return {"Kafka Streams": why if shutil.which("java") else f"{why}, and there is no Java here"}
