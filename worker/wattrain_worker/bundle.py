"""Builds the supervisor as one file for images that have nothing of ours: `python -m wattrain_worker.bundle OUT.pyz`.

The file is a zip application: `python3 OUT.pyz` runs it in any Python from 3.9 on. All of it is source text, so it
depends on no version of Python, and the same sources give the same bytes.
"""

from __future__ import annotations

import importlib.util
import io
import os
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from wattrain_api.atomic_file import write_atomically

OURS: Final = (
    "wattrain_worker/__init__.py", "wattrain_worker/__main__.py", "wattrain_worker/directive_file.py",
    "wattrain_worker/errors.py", "wattrain_worker/report.py", "wattrain_worker/supervisor", "wattrain_worker/power",
    "wattrain_worker/tracking",
    "wattrain_api/__init__.py", "wattrain_api/atomic_file.py", "wattrain_api/http_serving.py",
    "wattrain_api/kept_connection.py", "wattrain_api/names.py", "wattrain_api/orphans.py",
    "wattrain_api/reasons.py", "wattrain_api/recorded_steps.py", "wattrain_api/trackers.py", "wattrain_api/metrics.py",
    "wattrain_api/power_model.py",
    "wattrain_api/power_sources.py", "wattrain_api/metric_families.py", "wattrain_api/contract", "wattrain_api/facts",
)  # fmt: skip
"""What of Wattrain travels: files, and packages with their files."""
THEIRS: Final = {"prometheus-client": "prometheus_client", "nvidia-ml-py": "pynvml"}
"""Distributions that travel with it, and what they are imported as. Pure Python all of them."""
VENDOR: Final = "vendor"
"""Where they lie in the archive: on the supervisor's own path alone. No script gets them in place of its own."""
_MAIN: Final = """\
import os
import sys

if sys.version_info < (3, 9):
    sys.stderr.write(
        "wattrain: spec.image: its Python is %d.%d, and the supervisor needs 3.9 or newer; choose another image, or "
        "name a newer Python of that image in script.command\\n" % sys.version_info[:2]
    )
    sys.exit(64)

from importlib.machinery import PathFinder

archive = os.path.abspath(sys.argv[0])
if PathFinder.find_spec("wattrain_worker", sys.path[1:]) is None:  # scripts may `import wattrain_worker.report`
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), archive)))
sys.path[:1] = [archive, os.path.join(archive, "vendor")]

from wattrain_worker.__main__ import main

main()
"""
_TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)


class BundleError(Exception):
    """The archive cannot be built; the message says what is missing and how to get it."""


def build(out: Path) -> None:
    """Write the archive to `out`, whole or not at all. BundleError, OSError."""
    contents = {"__main__.py": _MAIN.encode(), **dict(_ours()), **dict(_theirs())}
    file = io.BytesIO()
    file.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, _TIMESTAMP)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    write_atomically(out, file.getvalue())
    out.chmod(0o755)


def _ours() -> Iterator[tuple[str, bytes]]:
    for name in OURS:
        package, _, rest = name.partition("/")
        yield from _sources(name, _directory(package) / rest)


def _theirs() -> Iterator[tuple[str, bytes]]:
    for distribution, module in THEIRS.items():
        try:
            files = metadata.files(distribution) or []
        except metadata.PackageNotFoundError:
            raise BundleError(f"{distribution} is not installed; pip install 'wattrain[worker]'") from None
        for file in files:
            is_source = file.suffix == ".py" and (file.parts[0] == module or str(file) == f"{module}.py")
            if is_source or file.name in ("LICENSE", "NOTICE"):
                yield f"{VENDOR}/{file.as_posix()}", Path(str(file.locate())).read_bytes()


def _sources(name: str, path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_file():
        yield name, path.read_bytes()
    else:
        for file in path.rglob("*.py"):
            yield f"{name}/{file.relative_to(path).as_posix()}", file.read_bytes()


def _directory(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise BundleError(f"{package} is not installed; pip install 'wattrain[worker]'")
    return Path(found.submodule_search_locations[0])


def main() -> int:
    """Build, and return the exit code."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.stderr.write("usage: python -m wattrain_worker.bundle OUT.pyz\n")
        return os.EX_USAGE
    out = Path(sys.argv[1])
    try:
        build(out)
    except BundleError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"error: {out} cannot be written ({error.strerror}); name a file in a directory that can\n")
        return 1
    sys.stdout.write(f"{out}: {out.stat().st_size / 1000:.0f} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
