"""The arrows of the design: who imports whom, read from the code itself."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: What each part may import of ours, itself aside.
MAY_IMPORT = {
    "charts": set(),
    "tables": {"charts"},
    "agents": {"charts", "tables", "faust_app", "logs"},
    "web": {"charts", "tables"},
    # `python -m simulator` is another door to `charts simulate`.
    "simulator": {"charts", "logs", "cli"},
}
OURS = {*MAY_IMPORT, "faust_app", "cli", "logs"}
#: Nothing with a clock, a socket, a file or a loop belongs into charts/ (settings are read there, once).
IMPURE = {
    "asyncio",
    "socket",
    "time",
    "threading",
    "subprocess",
    "aiohttp",
    "aiokafka",
    "asyncpg",
    "faust",
    "logging",
}


def imports(path: Path) -> set[str]:
    """The top-level modules a file imports, also within functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide where they go"
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_arrows_point_at_charts(part: str) -> None:
    files = list((ROOT / part).rglob("*.py"))
    assert len(files) > 1
    strays = {
        str(path.relative_to(ROOT)): sorted(wrong)
        for path in files
        if (wrong := imports(path) & OURS - MAY_IMPORT[part] - {part})
    }
    assert strays == {}


def test_the_bench_runs_without_the_tests() -> None:
    """`make bench` installs what runs, not what tests."""
    files = list((ROOT / "bench").rglob("*.py"))
    assert len(files) > 1
    assert [str(path) for path in files if imports(path) & {"tests", "pytest"}] == []


def test_charts_are_pure() -> None:
    strays = {
        path.name: sorted(wrong)
        for path in (ROOT / "charts").rglob("*.py")
        if (wrong := imports(path) & IMPURE)
    }
    assert strays == {}


def test_the_postgres_and_lake_halves_know_no_faust() -> None:
    ours = [path for path in (ROOT / "tables").rglob("*.py") if "faust" in imports(path)]
    assert {path.stem for path in ours} <= {"arrivals", "tally", "boards"}
