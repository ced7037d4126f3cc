"""A temporary folder that goes away even when the process that made it is killed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Nobody else has the other end of its input: when that closes, we are done or dead. What we started is killed at the
# same moment, and may write a last time: hence again and again.
_REAPER = 'cat; for try in 1 2 3 4 5 6 7 8 9; do rm -rf "$0" && test ! -e "$0" && exit; sleep 0.2; done'


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A new folder whose name begins with `prefix`, removed afterwards with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    with subprocess.Popen(
        ["sh", "-c", _REAPER, folder], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ):  # fmt: skip
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
