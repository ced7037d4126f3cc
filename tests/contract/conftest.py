import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs this Python in the repository (or in `cwd`) to its end."""

    def run(*arguments: str, cwd: Path = ROOT, text: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=cwd, input=text, capture_output=True, text=True, timeout=300, check=False)

    return run


@pytest.fixture(scope="session")
def repository_files(root: Path) -> list[Path]:
    """Every file that is, or would be, committed."""
    if not (root / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the repository is not known")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return [file for name in listed.split("\0") if name and (file := root / name).is_file()]
