"""The benchmark of energy models runs, and no published model lies outside of what the sampler counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_published_models_of_real_work_lie_between_low_and_high() -> None:
    paths = os.pathsep.join(str(ROOT / part) for part in ("benchmarks", "worker", "api"))
    found = subprocess.run(
        [sys.executable, "-m", "energy_models", "--seconds", "2", "--workers", "2"],
        env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    assert "2 workers, alone" in found.stdout
    assert "2 workers, beside other load" in found.stdout
    assert "CodeCarbon, process" in found.stdout
