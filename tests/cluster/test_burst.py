"""The benchmark runs and says what it promises. No figure is judged: they are the machine's."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_small_burst_gives_every_figure(programs):
    programs("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
    sizes = [
        "--jobs",
        "3",
        "--pods",
        "2",
        "--raw-pods",
        "50",
        "--times",
        "1",
        "--rest-seconds",
        "0.1",
        "--output",
        "json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "burst", *sizes], env=os.environ | {"PYTHONPATH": str(ROOT / "benchmarks")},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    many, single = map(json.loads, done.stdout.splitlines())
    assert (many["jobs"], many["pods per job"], many["requests that failed, by code"]) == (3, 2, {})
    assert many["requests/job by verb and resource"]["create pods"] == 2
    assert all(many[f"apply to Running {share}, s"] > 0 for share in ("p50", "p99"))
    assert single["deleted pod to new group Running p50, s"] > single["deleted pod to new group created p50, s"] > 0
