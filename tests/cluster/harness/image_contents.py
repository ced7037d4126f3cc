"""What an image has and has not. `python -c SOURCE EXPECTED`, with the source of this file and the JSON of an Expected,
runs inside an image, whose Python has nothing of the tests.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Expected:
    """What is to be found in an image."""

    present: tuple[str, ...]
    """Modules that can be imported."""
    packages: tuple[str, ...]
    """Packages all of whose modules can be imported, but those that only run as programs."""
    absent: tuple[str, ...]
    """Modules that cannot even be found."""
    unused: str
    """A package that lies in the image as a part of the project, and that nothing imports."""


def ask(run: Callable[..., subprocess.CompletedProcess[str]], expected: Expected) -> list[str]:
    """A sentence for everything that is not as expected in the image in which `run` runs commands."""
    said = run("python", "-c", Path(__file__).read_text(encoding="utf-8"), json.dumps(asdict(expected)))
    assert said.returncode == 0, said.stderr
    found: list[str] = json.loads(said.stdout.splitlines()[-1])
    return found


def problems(expected: Expected) -> Iterator[str]:
    """What is not as expected where this runs."""
    for name in (*expected.present, *(module for package in expected.packages for module in _modules_of(package))):
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever it is, the image is not what it should be
            yield f"{name} cannot be imported: {type(error).__name__}: {error}"
    for name in expected.absent:
        if importlib.util.find_spec(name) is not None:
            yield f"{name} must not be in this image"
    if expected.unused in sys.modules:
        yield f"{expected.unused} has been imported"
    if os.getuid() == 0:
        yield "runs as root: the image must name another user"


def _modules_of(package: str) -> Iterator[str]:
    yield package
    try:
        path = importlib.import_module(package).__path__
    except Exception:  # which importing it reports
        return
    below = pkgutil.walk_packages(path, f"{package}.", onerror=lambda _: None)
    yield from (module.name for module in below if not module.name.endswith("__main__"))


if __name__ == "__main__":
    answers = json.loads(sys.argv[1])
    print(json.dumps(list(problems(Expected(**answers)))))  # noqa: T201
