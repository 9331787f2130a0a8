"""The commands as an operator calls them: what they print, and how they end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from charts.errors import BadRequest, Unreachable
from charts.settings import settings
from tables.commands import catalog_group, migrate_command

HEADER = "track_id,title,artist\n"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[None]:
    monkeypatch.setenv("CHARTS_POSTGRES_URL", database_url)
    settings.cache_clear()
    yield
    settings.cache_clear()


def run(*words: str) -> Result:
    return CliRunner().invoke(catalog_group, words)


def test_migrate_says_that_nothing_is_left() -> None:
    outcome = CliRunner().invoke(migrate_command)
    assert (outcome.exit_code, outcome.output) == (0, "nothing to apply\n")


def test_postgres_away_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTS_POSTGRES_URL", "postgresql://charts@127.0.0.1:1/charts")
    settings.cache_clear()
    outcome = CliRunner().invoke(migrate_command)
    assert isinstance(outcome.exception, Unreachable)
    assert "\n" not in str(outcome.exception)


def test_import_and_export(tmp_path: Path) -> None:
    sheet = tmp_path / "in.csv"
    sheet.write_text(HEADER + "a,A,Ann\nb,B,Ben\n")
    outcome = run("import", str(sheet))
    assert outcome.exit_code == 0, outcome.output
    assert "2 tracks imported, 2 of them new or changed, 0 bad rows" in outcome.output
    for name in ("out.csv", "out.jsonl", "out.parquet"):
        outcome = run("export", str(tmp_path / name))
        assert outcome.exit_code == 0, outcome.output
        outcome = run("import", str(tmp_path / name))
        assert "2 tracks imported, 0 of them new or changed" in outcome.output


def test_bad_rows_end_with_1_and_are_all_in_the_report(tmp_path: Path) -> None:
    sheet, report = tmp_path / "in.csv", tmp_path / "bad.txt"
    sheet.write_text(HEADER + "a,A,Ann\n" + ",B,Ben\n" * 30)
    outcome = run("import", str(sheet), "--report", str(report))
    assert outcome.exit_code == 1
    assert "1 tracks imported, 1 of them new or changed, 30 bad rows" in outcome.output
    assert "line 3: track_id is missing" in outcome.output
    assert f"… and 10 more, all in {report}" in outcome.output
    assert len(report.read_text().splitlines()) == 30


@pytest.mark.parametrize("name", ["none.csv", "odd.xlsx", "not.parquet"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str) -> None:
    if not name.startswith("none"):
        (tmp_path / name).write_text("hello")
    outcome = run("import", str(tmp_path / name))
    assert isinstance(outcome.exception, BadRequest)
    assert "\n" not in str(outcome.exception)
