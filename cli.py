"""The console script `charts`: one group; a command is imported when it is asked for.

Whatever Livecharts itself has to say ends a command with one line and an exit code that means something.
"""

import sys
from importlib import import_module
from typing import Any

import click

from charts.settings import described
from logs import ending_in_one_line

#: Name → where it is, and its line in `charts --help`.
COMMANDS = {
    "up": ("simulator.up:up", "Start everything on this machine, and print where the charts are."),
    "simulate": ("simulator.commands:simulate", "Play music: made-up listeners, from a seed, at a rate."),
    "migrate": ("tables.commands:migrate_command", "Bring the database to this version."),
    "grow": ("tables.growing:grow_command", "Give a running system more partitions."),
    "catalog": ("tables.commands:catalog_group", "The catalogue of tracks: bring it in, take it out."),
    "import-chart": ("tables.commands:import_chart_command", "Another publisher's chart, beside ours."),
    "check": ("tables.check:check_command", "How Kafka, Postgres, the object store and the workers are."),
    "settings": ("cli:settings_command", "Every setting, its default and what it means."),
    "curate": ("agents.lake_commands:curate_command", "Write one hour of the lake's curated zone again."),
    "audit": ("agents.lake_commands:audit_command", "Count published charts again from the lake."),
    "replay": ("agents.lake_commands:replay_command", "Build past charts anew from the lake, as revisions."),
    "user": ("web.commands:user_group", "Accounts: make them, list them, change what they may."),
}


class _Lazy(click.Group):
    """A group that knows its commands by name and imports only the one that runs."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name][0].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, context: click.Context) -> Any:
        with ending_in_one_line():
            return super().invoke(context)


@click.group(
    cls=_Lazy,
    epilog="Exit codes: 0 done, 1 failed, 2 wrong call or settings, 3 a server does not answer, "
    "4 another Kafka log, 5 our own bug, 6 local state that is damaged or cannot be written.",
)
@click.version_option(package_name="livecharts", prog_name="charts")
def main() -> None:
    """Live music charts: run them, look after them, check them."""


@click.command("settings")
@click.option("--markdown", is_flag=True, help="as the table of README.md")
def settings_command(markdown: bool) -> None:
    """Every setting: the environment variable, its default, what it means.

    Settings come from the environment alone and are read once; a bad one ends the start with one line.
    """
    rows = described()
    if markdown:
        click.echo("| variable | default | |\n|---|---|---|")
        for name, default, meaning in rows:
            click.echo(f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |")
        return
    width = max(len(name) for name, _, _ in rows)
    for name, default, meaning in rows:
        click.echo(f"{name:<{width}}  {meaning}" + (f" [{default}]" if default else ""))


if __name__ == "__main__":
    sys.exit(main())
