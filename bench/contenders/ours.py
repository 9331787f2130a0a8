"""Our worker as it is, but for one thing: it reads the bench's topic, whatever its log id.

So every run begins from nothing (state, changelog, group, boards) on plays that are sent once.
"""

from bench.contenders.told import TOPIC
from charts.settings import Settings

named = Settings.topic


def topic(self: Settings, name: str) -> str:
    return TOPIC if name == "song-plays" else named(self, name)


if __name__ == "__main__":
    from faust.cli.faust import cli

    Settings.topic = topic  # type: ignore[method-assign]
    cli(["-A", "faust_app", "worker", "--loglevel", "info"])
