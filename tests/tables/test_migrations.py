"""Migrations: from nothing, from every earlier version, twice, and by two processes at once."""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from charts.errors import BrokenInvariant
from charts.settings import settings
from tables.commands import migrate_command
from tables.migrations import FOLDER, migrate, migrations, pending
from tables.postgres import Database

SCHEMA = """
SELECT table_name, column_name, data_type, is_nullable, column_default
FROM information_schema.columns WHERE table_schema = 'public'
ORDER BY table_name, ordinal_position"""


async def test_from_empty_and_again(empty_url: str) -> None:
    async with Database(empty_url) as database:
        assert await pending(database) == migrations()
        assert await migrate(database) == migrations()
        assert await pending(database) == []
        assert await migrate(database) == []


@pytest.mark.parametrize("version", range(len(migrations())))
async def test_from_every_earlier_version(
    empty_url: str, database: Database, tmp_path: Path, version: int
) -> None:
    for migration in migrations()[:version]:
        (tmp_path / migration.path.name).write_text(migration.path.read_text())
    async with Database(empty_url) as older:
        assert len(await migrate(older, tmp_path)) == version
        assert await migrate(older) == migrations()[version:]
        assert await older.fetch(SCHEMA) == await database.fetch(SCHEMA)


async def test_a_file_that_fails_leaves_nothing_of_itself(empty_url: str, tmp_path: Path) -> None:
    (tmp_path / "001_good.sql").write_text("CREATE TABLE good (n integer);")
    (tmp_path / "002_bad.sql").write_text("CREATE TABLE half (n integer); SELECT 1 / 0;")
    async with Database(empty_url) as database:
        with pytest.raises(asyncpg.DivisionByZeroError) as caught:
            await migrate(database, tmp_path)
        assert caught.value.__notes__ == ["in 002_bad.sql"]
        assert await database.fetchval("SELECT to_regclass('good') IS NOT NULL")
        assert await database.fetchval("SELECT to_regclass('half') IS NULL")
        (tmp_path / "002_bad.sql").write_text("CREATE TABLE half (n integer);")
        assert [migration.version for migration in await migrate(database, tmp_path)] == [2]


def test_two_files_of_one_number_are_refused(tmp_path: Path) -> None:
    (tmp_path / "001_one.sql").write_text("")
    (tmp_path / "001_other.sql").write_text("")
    with pytest.raises(BrokenInvariant):
        migrations(tmp_path)


async def test_two_processes_at_once_apply_each_file_once(empty_url: str) -> None:
    command = [sys.executable, "-c", "from tables.commands import migrate_command as m; m()"]
    environment = {**os.environ, "CHARTS_POSTGRES_URL": empty_url, "PYTHONPATH": str(FOLDER.parents[1])}
    processes = [
        await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]
    async with asyncio.timeout(60):
        outputs = [(await process.communicate())[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    applied = sorted(line for output in outputs for line in output.splitlines() if "nothing" not in line)
    assert applied == [f"applied {migration.path.name}" for migration in migrations()]


def test_the_command_says_in_one_line_that_postgres_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTS_POSTGRES_URL", "postgresql://charts@127.0.0.1:1/charts")
    settings.cache_clear()
    outcome = CliRunner().invoke(migrate_command)
    settings.cache_clear()
    assert outcome.exit_code != 0
    assert "Postgres does not answer" in str(outcome.exception or outcome.output)
