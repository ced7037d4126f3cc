"""`wattrain` as a user calls it."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

_MAIN: Final = "from wattrain_operator.cli import main; main()"


def wattrain(*words: str) -> None:
    """Run the command with these words; CalledProcessError where it fails."""
    subprocess.run([sys.executable, "-c", _MAIN, *words], stdout=subprocess.DEVNULL, check=True)
