"""Garbled requests: what comes in and is no HTTP never reaches a view; aiohttp answers it with a 400 itself.

It also writes an error with a traceback for each, and the line as it came, which may hold a token or a
password. Any stranger could fill the log so. Here that becomes one line that says who and what kind.
"""

import logging

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError


class Hushed(logging.Filter):
    """Leaves of a garbled request what an operator may see."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError | RequestPayloadError):
            return True
        sender = record.args[0] if isinstance(record.args, tuple) and record.args else "somebody"
        record.msg, record.args = "what %s sent is garbled: %s", (sender, type(error).__name__)
        record.exc_info = record.exc_text = None
        record.levelno = min(record.levelno, logging.INFO)
        record.levelname = logging.getLevelName(record.levelno)
        return logging.getLogger(record.name).isEnabledFor(record.levelno)


_HUSHED = Hushed()


def hush() -> None:
    """Of all servers of this process; again, it changes nothing."""
    logging.getLogger("aiohttp.server").addFilter(_HUSHED)
