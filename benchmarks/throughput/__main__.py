"""`PYTHONPATH=benchmarks python -m throughput`: see --help."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import yaml

from wattrain_api.orphans import descendants
from wattrain_api.trainingjob import TrainingJob

RANKS: Final = 2
CASES: Final = ((64, 64, 4000), (256, 512, 2000))
"""Units of both hidden layers, samples of a batch, steps."""
JOB: Final = """
apiVersion: wattrain.dev/v1alpha1
kind: TrainingJob
metadata: {{name: throughput}}
spec:
  recipe: {{name: mlp, params: {{hidden: [{hidden}, {hidden}]}}}}
  data: {{source: {{builtin: digits}}}}
  training:
    maxSteps: {steps}
    batchSize: {batch}
    optimizer: {{name: adamw, lr: 0.001, weightDecay: 0.01}}
    evaluateEvery: {{steps: {steps}}}
  workers: {{replicas: {ranks}}}
"""
_LOOK_SECONDS: Final = 1.0
"""Between two looks at a run. Looking takes what the ranks would use: ten looks a second, at the whole journal, cost
them a tenth of their steps, which the bare loop had."""
_TAIL_BYTES: Final = 4096
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """What a run of the recipe came to: its speed from its first fifth to its end."""

    steps_per_second: float
    command_cores: float
    """CPU of `wattrain run` in cores, while the ranks train."""
    supervisor_cores: float
    """That of one supervisor."""


class Used(NamedTuple):
    """CPU time of processes until a moment."""

    at: float
    seconds: dict[str, float]


def main() -> int:
    """Run both in turn, and print their ratio."""
    parser = argparse.ArgumentParser(
        prog="python -m throughput",
        description="Steps a second of `wattrain run` with all its metrics beside those of a bare loop, in turn.",
    )
    parser.add_argument("--times", type=int, default=5, help="rounds, of which the medians are taken (default 5)")
    times = parser.parse_args().times
    print(
        f"on this machine the same work takes {_cost_of_sleep():.1f} times as long after a second of sleep", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="wattrain-throughput-") as folder:
        for hidden, batch, steps in CASES:
            _say(Path(folder), hidden, batch, steps, times)
    return 0


def _cost_of_sleep() -> float:
    """How much longer a process works after it has slept for a second, as command and supervisors do all the time. On
    a virtual machine it was 40 times as long, which is then most of what they take."""
    document = yaml.safe_load(JOB.format(hidden=64, batch=64, steps=1, ranks=RANKS))

    def seconds() -> float:
        began = time.thread_time()
        TrainingJob.model_validate(document)
        return time.thread_time() - began

    at_once = median(seconds() for _ in range(20))
    slept = []
    for _ in range(5):
        time.sleep(1.0)
        slept.append(seconds())
    return median(slept) / at_once


def _say(folder: Path, hidden: int, batch: int, steps: int, times: int) -> None:
    runs, bare = [], []
    for number in range(times):
        run = folder / f"{hidden}-{number}"
        runs.append(_recipe(run, hidden, batch, steps))
        bare.append(_bare(run / "data", hidden, batch, steps))
    recipe, loop = median(run.steps_per_second for run in runs), median(bare)
    print(
        f"mlp {hidden}-{hidden}, batch {batch}, {RANKS} ranks: {recipe / loop:.3f} of the bare loop's steps "
        f"({1e3 / recipe:.2f} ms and {1e3 / loop:.2f} ms a step); the command takes "
        f"{median(run.command_cores for run in runs):.1%} of a core, a supervisor "
        f"{median(run.supervisor_cores for run in runs):.1%}",
        flush=True,
    )


def _recipe(run: Path, hidden: int, batch: int, steps: int) -> Run:
    job = run.parent / "job.yaml"
    job.write_text(JOB.format(hidden=hidden, batch=batch, steps=steps, ranks=RANKS))
    main = "from wattrain_operator.cli import main; main()"
    command = [sys.executable, "-c", main, "run", str(job), "--dir", str(run), "--output", "json"]
    lines, begun, last = run / "metrics.jsonl", Used(0.0, {}), Used(0.0, {})
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(_LOOK_SECONDS)
            found = _newest(lines) if lines.exists() else 0
            if found > steps // 5 and not begun.seconds:  # as the speed: what starts once is not of the training
                begun = Used(time.monotonic(), _cpu_seconds(process.pid))
            elif steps // 2 < found < steps:
                last = Used(time.monotonic(), _cpu_seconds(process.pid))
    if process.returncode:
        raise RuntimeError(f"wattrain run ended with {process.returncode}")
    cores = {of: (used - begun.seconds.get(of, 0.0)) / (last.at - begun.at) for of, used in last.seconds.items()}
    supervisors = [share for of, share in cores.items() if of.startswith("supervisor")]
    return Run(_speed(lines, steps), cores["command"], sum(supervisors) / len(supervisors))


def _speed(lines: Path, steps: int) -> float:
    """Losses are told in batches, each when its last step is done: from the end of one of them to the last."""
    at = {line["step"]: line["time"] for line in map(json.loads, lines.open()) if "loss" in line}
    first = max(range(steps // 5, 2 * steps // 5), key=lambda step: at[step + 1] - at[step])
    return (steps - first) / (at[steps] - at[first])


def _newest(lines: Path) -> int:
    """The step of the last whole line; 0: there is none."""
    with lines.open("rb") as file:
        file.seek(max(0, lines.stat().st_size - _TAIL_BYTES))
        whole = file.read().rpartition(b"\n")[0].rpartition(b"\n")[2]
    return int(json.loads(whole)["step"]) if whole else 0


def _cpu_seconds(command: int) -> dict[str, float]:
    """CPU time so far of the command and of each supervisor below it."""
    found = {"command": _of(command)}
    for pid in descendants(command):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[-2] == b"wattrain_worker":
                found[f"supervisor {pid}"] = _of(pid)
        except (OSError, IndexError):
            continue  # it has ended
    return found


def _of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def _bare(data: Path, hidden: int, batch: int, steps: int) -> float:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    words = [sys.executable, str(Path(__file__).with_name("bare.py")), str(data), str(hidden), str(batch), str(steps)]
    shared = os.environ | {"WORLD_SIZE": str(RANKS), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [
        subprocess.Popen(words, env=shared | {"RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(RANKS)
    ]
    told = [rank.communicate()[0] for rank in ranks]
    if any(rank.returncode for rank in ranks):
        raise RuntimeError("the bare loop failed")
    return float(told[0])


if __name__ == "__main__":
    sys.exit(main())
