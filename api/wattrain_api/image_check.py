"""What both images' self-tests have in common: that an image has all that it is meant to have, and nothing else."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator


def modules_of(packages: Iterable[str]) -> Iterator[str]:
    """`packages` and all modules below them, without what only runs as a program."""
    for name in packages:
        yield name
        package = importlib.import_module(name)
        below = pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}.")
        yield from (module.name for module in below if not module.name.endswith("__main__"))


def problems(present: Iterable[str], absent: Iterable[str]) -> list[str]:
    """A sentence for every module of `present` that cannot be imported, and every one of `absent` that could be or,
    where it lies in the image as part of a whole, has been."""
    found = []
    for name in present:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever it is, the image is not what it should be
            found.append(f"{name} cannot be imported: {type(error).__name__}: {error}")
    found += [f"{name} must not be in this image" for name in absent if importlib.util.find_spec(name) is not None]
    if os.getuid() == 0:
        found.append("runs as root: the image must name another user")
    return found


def tell(found: list[str]) -> int:
    """Say what is wrong, or that nothing is, and return the exit code."""
    for problem in found:
        sys.stderr.write(f"self-test: {problem}\n")
    if not found:
        sys.stdout.write("self-test: everything is there, and nothing else\n")
    return 1 if found else 0
