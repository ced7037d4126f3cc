"""A temporary folder that goes away even when the process that made it is killed, and with it what else must go."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WHEN_KILLED = ".when-killed"
# Nobody else has the other end of its input: when that closes, we are done or dead. What we started is killed at the
# same moment, and may write a last time: hence again and again.
_REAPER = f"""
cat
for file in "$0/{_WHEN_KILLED}"/*; do if test -e "$file"; then sh "$file"; fi; done
for try in 1 2 3 4 5 6 7 8 9; do rm -rf "$0" && test ! -e "$0" && exit; sleep 0.2; done
"""


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A new folder whose name begins with `prefix`, removed afterwards with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    (folder / _WHEN_KILLED).mkdir()
    with subprocess.Popen(
        ["sh", "-c", _REAPER, folder], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ):  # fmt: skip
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def when_killed(folder: Path, command: str) -> Iterator[None]:
    """Inside, the shell runs `command` should we be killed. Only in a scratch folder: else nobody is there to do it."""
    scratch = next((parent for parent in (folder, *folder.parents) if (parent / _WHEN_KILLED).is_dir()), None)
    if scratch is None:
        yield
        return
    file = scratch / _WHEN_KILLED / uuid.uuid4().hex
    file.write_text(f"{command}\n", encoding="utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
