"""The tether: runs a command that dies with whoever started it.

    python tether.py PARENT SIGNAL [--nobody] [--data BYTES] -- COMMAND …

The kernel sends SIGNAL when the *thread* that started us ends, so start from a thread that lives as long
as the process: the main one. A program of its own, because between fork and exec of a threaded process
Python must not run; standard library alone, because it starts with every server.
"""

import argparse
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP = 28, 1 << 2
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAP_VERSION_3 = 0x20080522
#: Overrides the permissions of files: lets nobody into a checkout that only root may enter.
_CAP_DAC_OVERRIDE = 1
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Tie, drop privileges where asked, become the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parent", type=int)
    parser.add_argument("signal", type=int)
    parser.add_argument("--nobody", action="store_true", help="run as nobody, for root alone")
    parser.add_argument("--data", type=int, help="most bytes of data the command may hold")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if arguments.data:
        resource.setrlimit(resource.RLIMIT_DATA, (arguments.data, arguments.data))
    if arguments.nobody:
        become_nobody(reach=[*Path(arguments.command[0]).parents, Path.cwd(), *Path.cwd().parents])
    tie(arguments.parent, signal.Signals(arguments.signal))
    os.execv(arguments.command[0], arguments.command)  # noqa: S606


def tie(parent: int, deathsignal: signal.Signals) -> None:
    """Ask for the signal; a parent that died before we asked counts too. Changing user unties."""
    _call(_libc.prctl(_PR_SET_PDEATHSIG, int(deathsignal), 0, 0, 0))
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def become_nobody(reach: list[Path]) -> None:
    """Postgres refuses to run as root; nobody keeps one capability where the folders are closed to others."""
    closed = any(not folder.stat().st_mode & 0o001 for folder in reach)
    if closed:
        # Without this bit access(2), by which Postgres looks for its programs, disregards capabilities.
        _call(_libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if not closed:
        return
    mask = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0)
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    _call(_libc.capset(header, effective_permitted_inheritable))
    _call(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))


def _call(result: int) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


if __name__ == "__main__":
    main()
