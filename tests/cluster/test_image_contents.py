"""How the contents of an image are looked at, tried on this Python in place of an image's."""

import subprocess
import sys

from harness.image_contents import Expected, ask


def here(*command):
    return subprocess.run([sys.executable, *command[1:]], capture_output=True, text=True, timeout=60, check=False)


def found(present=(), packages=(), absent=(), unused="nothing"):
    return [problem for problem in ask(here, Expected(present, packages, absent, unused)) if "root" not in problem]


def test_what_is_as_expected_is_not_mentioned():
    assert found(("json",), ("concurrent",), ("no_such_module",), "wattrain_worker") == []


def test_everything_that_is_missing_too_much_or_imported_is_named():
    problems = found(("no_such_module",), ("no_such_package",), ("json",), "json")
    assert [problem.split(":")[0] for problem in problems] == [
        "no_such_module cannot be imported",
        "no_such_package cannot be imported",
        "json must not be in this image",
        "json has been imported",
    ]
