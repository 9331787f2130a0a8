"""Logs: one JSON object per line for machines, one readable line on a terminal.

Both go to stderr, which stays what it was even where a worker redirects `print` into logging. Fields given
as `extra={…}` become fields of the object. Where Livecharts itself must give up, its last word is one line.
"""

import logging
import logging.config
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson

from charts.errors import ChartsError
from charts.settings import Settings

#: What every record carries; whatever else it carries came as `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """One object per record: when, how bad, who, what, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return orjson.dumps(fields, default=str).decode()


class Text(logging.Formatter):
    """One line a person reads; a traceback follows it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
        self.converter = time.gmtime


def config(settings: Settings) -> dict[str, Any]:
    """The logging of a process, in the form logging.config and Faust both take."""
    chosen = settings.log_format
    is_terminal = sys.__stderr__ is not None and sys.__stderr__.isatty()
    formatter = Text if chosen == "text" or (chosen == "auto" and is_terminal) else JsonLines
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ours": {"()": formatter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "ours",
                "stream": "ext://sys.__stderr__",
            }
        },
        "root": {"level": settings.log_level.upper(), "handlers": ["stderr"]},
    }


def setup(settings: Settings) -> None:
    """Log this way from now on."""
    logging.config.dictConfig(config(settings))


@contextmanager
def ending_in_one_line() -> Iterator[None]:
    """An error of ours inside ends the process: one line on stderr, no traceback, its exit code."""
    try:
        yield
    except ChartsError as error:
        print(f"charts: {error}", file=sys.__stderr__)
        sys.exit(error.exit_code)
