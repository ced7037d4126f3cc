"""Programs of Python packages that cannot be installed beside Wattrain: each in its own environment, made once."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from harness.binaries import cache_folder, locked
from harness.progress import say
from harness.unavailable import UnavailableError


@dataclass(frozen=True)
class PythonProgram:
    """A program, and what brings it."""

    name: str
    requirement: str
    """As pip takes it, with its version."""
    variable: str
    """Of the environment: a path of the program, where somebody has it already."""


_WHOLE = "whole"
"""A file that is there once all the rest is."""
MOTO_SERVER = PythonProgram("moto_server", "moto[server]==5.2.5", "WATTRAIN_TEST_MOTO")


def find_python_program(program: PythonProgram) -> Path:
    """Its path: that which its variable names, or an environment's in $XDG_CACHE_HOME/wattrain, which is made where it
    is not there yet. One on PATH may be of any version. UnavailableError where pip cannot make it."""
    if given := os.environ.get(program.variable):
        return Path(given)
    kept = f"{program.requirement.replace('==', '-')}-python{sys.version_info[0]}.{sys.version_info[1]}"
    folder = cache_folder() / kept
    if not (folder / _WHOLE).exists():
        with locked(cache_folder() / "build.lock"):
            if not (folder / _WHOLE).exists():
                _make(program, folder)
    return folder / "bin" / program.name


def _make(program: PythonProgram, folder: Path) -> None:
    """At its own place, which its programs name."""
    say(f"installing {program.requirement} into an environment of its own (once)")
    venv.create(folder, with_pip=True, clear=True)
    command = [str(folder / "bin" / "pip"), "install", "--quiet", program.requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-5:])
        raise UnavailableError(
            f"{program.requirement} cannot be installed; name a {program.name} in {program.variable}:\n{last}"
        )
    (folder / _WHOLE).touch()
