"""Becomes a rank: ties its life to the supervisor's, then executes the command. Run by its source text.

The supervisor has threads, where code between fork and exec is unsafe; a program of its own has none.
Arguments: process id of the supervisor, then the command.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
EXIT_BAD_SPEC = 64


def die_with(parent_pid: int) -> None:
    """Have this process killed (by the kernel, on Linux) when its parent ends, which has been `parent_pid`."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the line above
        os._exit(1)


def _become(supervisor_pid: int, command: "list[str]") -> None:
    die_with(supervisor_pid)
    for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores them, and exec would pass that on
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"wattrain: script.command: {command[0]!r} cannot be executed ({error.strerror})\n")
        sys.exit(EXIT_BAD_SPEC)


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
