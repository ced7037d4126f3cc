"""The dashboards in the repository are those that the builders build."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_files_are_built_anew_byte_by_byte_whatever_the_order_of_hashes(folder, seed):
    command = [sys.executable, str(folder / "generate.py"), "--check"]
    environment = {"PYTHONHASHSEED": seed}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
