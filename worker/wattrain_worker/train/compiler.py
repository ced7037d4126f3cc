"""Whether torch.compile finds what it needs on this machine. It looks for a compiler at the first step, and then fails
with pages of its own."""

from __future__ import annotations

import os
import shutil
from typing import Final

from wattrain_worker.errors import BadSpec

_WANTED: Final = {"cpu": ("CXX", ("g++",)), "cuda": ("CC", ("gcc", "clang"))}
"""By the type of the device: the variable that names the compiler, and the names that are looked for without it.
Sources: torch/_inductor/config.py (cpp.cxx), triton/runtime/build.py."""


def check_compiler(device_type: str) -> None:
    """BadSpec where `training.compile: true` could not be done on a device of that type."""
    variable, programs = _WANTED.get(device_type, ("", ()))
    wanted = (os.environ[variable],) if os.environ.get(variable) else programs
    if wanted and not any(shutil.which(program) for program in wanted):
        raise BadSpec(
            f"spec.training.compile: true needs a compiler, and there is no {' or '.join(wanted)} in this image or on "
            "this machine; write false, or name an image that has it in spec.image"
        )
