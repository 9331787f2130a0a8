"""What an operator does to Postgres by hand: `charts migrate`."""

import asyncio

import click

from charts.settings import settings
from tables.migrations import migrate
from tables.postgres import Database


@click.command("migrate")
def migrate_command() -> None:
    """Bring the database of CHARTS_POSTGRES_URL to this version.

    Safe to run twice, and from two machines at once. Exits 0 when nothing is left to apply.
    """
    applied = asyncio.run(_migrate())
    for line in applied or ["nothing to apply"]:
        click.echo(line)


async def _migrate() -> list[str]:
    async with Database(settings().postgres_url.get_secret_value(), connections=1) as database:
        return [f"applied {migration.path.name}" for migration in await migrate(database)]
