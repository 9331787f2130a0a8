"""`charts up`: the whole of Livecharts on one machine, from one command to a live chart."""

import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import click

from simulator.stack import Plan, Stack
from simulator.tether import tie
from simulator.watch import Watch


class _Stopped(BaseException):
    """Somebody asked us to stop; no error, so nothing on the way may catch it as one."""


@click.command("up")
@click.option(
    "--port", default=6066, show_default=True, help="the page's port; the servers take those after it"
)
@click.option(
    "--data-dir", default="data", show_default=True, type=click.Path(path_type=Path, file_okay=False)
)
@click.option("--rate", default=5.0, show_default=True, help="plays per second the simulator sends")
@click.option("--regions", default=20, show_default=True, help="regions the plays come from")
@click.option("--partitions", default=4, show_default=True, help="partitions of the topic of plays")
@click.option(
    "--past",
    "past_h",
    default=0.0,
    type=click.FloatRange(0),
    metavar="HOURS",
    help="begin with so many hours of plays: charts with trends and a history from the first minute",
)
@click.option("--fresh", is_flag=True, help="forget accounts, catalogue, charts and lake of earlier starts")
@click.option("--tied", is_flag=True, help="stop when whoever started this command ends (for make)")
def up(tied: bool, **choices: Any) -> None:
    """Start everything on this machine, and print where the charts are.

    Kafka, Postgres and an object store come from their wheels and listen on 127.0.0.1 alone. Accounts,
    catalogue, final charts and the lake stay in the data folder; the log of plays does not. Ctrl-C stops
    everything.
    """
    if tied:
        tie(os.getppid(), signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    began = time.monotonic()

    def tell(name: str, remark: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {name:<13} {remark}")

    stack = Stack(Plan(**choices), tell)
    try:
        stack.start()
        click.echo(_where(stack.address))
        Watch(stack, tell).run()
    except _Stopped:
        click.echo("stopping")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stack.stop()


def _stop(number: int, frame: FrameType | None) -> None:
    raise _Stopped


def _where(address: str) -> str:
    return f"""
The charts:  {address}/
             curl '{address}/v1/charts/global/hour?limit=5'
Ctrl-C stops everything.
"""
