"""The error tree.

ChartsError
├── BadSettings          a setting, or a pair of settings, cannot work
├── Unreachable          a server we need does not answer
├── LogMismatch          the Kafka log is not the one our state was counted from
├── BrokenStore          the local state cannot be read or written
├── BrokenInvariant      our own bug: stop rather than count wrongly
├── MalformedPlay        one play is not of the wire's shape
├── BadRequest           what the caller asked for makes no sense
├── NotFound             there is no such thing
└── Conflict             somebody else changed it first
"""


class ChartsError(Exception):
    """Raised when Livecharts itself has something to say: one clear line, never a traceback."""

    #: What a process that ends with it says to its caller; 2 is also a wrong call of a command.
    exit_code = 1


class BadSettings(ChartsError):
    """Raised when a setting cannot work."""

    exit_code = 2


class Unreachable(ChartsError):
    """Raised when Kafka, Postgres or the object store does not answer."""

    exit_code = 3


class LogMismatch(ChartsError):
    """Raised when the Kafka log is not the one our state was counted from."""

    exit_code = 4


class BrokenStore(ChartsError):
    """Raised when the local state cannot be read or written: damaged files, a full disk."""

    exit_code = 6


class BrokenInvariant(ChartsError):
    """Raised when the state contradicts itself: the worker stops."""

    exit_code = 5


class MalformedPlay(ChartsError):
    """Raised when a play is not of the wire's shape."""


class BadRequest(ChartsError):
    """Raised when a question makes no sense."""

    exit_code = 2


class NotFound(ChartsError):
    """Raised when there is no such thing."""


class Conflict(ChartsError):
    """Raised when somebody else changed it first."""
