"""What a rank is started with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from wattrain_worker.supervisor.config import Config, read_config
from wattrain_worker.supervisor.rank_start import Order, rank_starts

ORDER = Order(3, "10.0.0.1", 23_456, "Killed")


def config(directory: Path, spec: dict[str, Any], **environ: str) -> Config:
    (directory / "spec.json").write_text(json.dumps(spec))
    group = {"WATTRAIN_WORKERS": "2", "WATTRAIN_WORKER_INDEX": "1", "WATTRAIN_GROUP_TOKEN": "t"}
    group["WATTRAIN_COORDINATOR"] = "10.0.0.1:9400"
    return read_config({"WATTRAIN_SPEC": str(directory / "spec.json"), "WATTRAIN_JOB": "job", **group, **environ})


def test_ranks_are_numbered_through_all_workers(tmp_path: Path) -> None:
    made = config(tmp_path, {"workers": {"processesPerWorker": 2}}, WATTRAIN_CPU_LIMIT="7")
    starts = rank_starts(made, ORDER, "/tmp/socket", {"HOME": "/home", "WATTRAIN_GROUP_TOKEN": "t"})
    assert [start.rank for start in starts] == [2, 3]
    environment = starts[1].environment
    expected = {
        "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "10.0.0.1",
        "MASTER_PORT": "23456", "PET_NNODES": "2", "PET_NODE_RANK": "1", "PET_NPROC_PER_NODE": "2",
        "OMP_NUM_THREADS": "3", "WATTRAIN_GENERATION": "3", "WATTRAIN_RESTART_REASON": "Killed",
        "WATTRAIN_REPORT_SOCKET": "/tmp/socket", "HOME": "/home", "TORCH_NCCL_ASYNC_ERROR_HANDLING": "3",
    }  # fmt: skip
    assert expected.items() <= environment.items()
    assert "WATTRAIN_GROUP_TOKEN" not in environment
    assert starts[1].command[0] == sys.executable
    assert starts[1].command[-2:] == ("-m", "wattrain_worker.train")


def test_a_rank_has_a_thread_even_where_cpus_are_few(tmp_path: Path) -> None:
    made = config(tmp_path, {"workers": {"processesPerWorker": 4}}, WATTRAIN_CPU_LIMIT="0.5")
    assert rank_starts(made, ORDER, "", {})[0].environment["OMP_NUM_THREADS"] == "1"


def test_what_the_user_set_stays(tmp_path: Path) -> None:
    environment = rank_starts(config(tmp_path, {}), ORDER, "", {"OMP_NUM_THREADS": "9"})[0].environment
    assert environment["OMP_NUM_THREADS"] == "9"


def test_the_preparation_runs_the_data_module(tmp_path: Path) -> None:
    (start,) = rank_starts(config(tmp_path, {}, WATTRAIN_ROLE="prepare"), ORDER, "", {})
    assert start.label == "prepare"
    assert start.command[-1] == "wattrain_worker.data"


@pytest.mark.parametrize(
    ("command", "begin", "end"),
    [
        (["python3", "-u", "train.py", "--lr=1"], ("python3", "-m"), ("train.py", "--lr=1")),
        (["/opt/bin/python", "-m", "pkg"], ("/opt/bin/python", "-m"), ("-m", "pkg")),
        (["./train", "x"], ("python", "-m"), ("--no-python", "./train", "x")),
    ],
)
def test_torchrun_is_started_once_a_worker_with_the_scripts_own_python(
    tmp_path: Path, command: list[str], begin: tuple[str, ...], end: tuple[str, ...]
) -> None:
    spec = {"script": {"command": command}, "workers": {"processesPerWorker": 4, "launcher": "torchrun"}}
    (start,) = rank_starts(config(tmp_path, spec), ORDER, "", {})
    assert (start.command[:2], start.command[2]) == (begin, "torch.distributed.run")
    assert start.command[-len(end) :] == end
    options = {"--nnodes=2", "--nproc-per-node=4", "--rdzv-endpoint=10.0.0.1:23456", "--rdzv-id=job-1-3"}
    assert options | {"--max-restarts=0"} <= set(start.command)
    assert any(part.startswith("--rdzv-conf=is_host=false") for part in start.command)
    assert start.environment["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] == "1"
    assert "RANK" not in start.environment


TORCHRUN = {"PET_MASTER_ADDR": "10.0.0.1", "PET_MASTER_PORT": "23456", "PET_NNODES": "2", "PET_NODE_RANK": "1"}


@pytest.mark.parametrize("launcher", ["native", "torchrun"])
@pytest.mark.parametrize("command", [["torchrun", "t.py"], ["python", "-m", "torch.distributed.run", "t.py"]])
def test_a_torchrun_of_the_users_is_started_once_a_worker_and_finds_its_group(
    tmp_path: Path, command: list[str], launcher: str
) -> None:
    spec = {"script": {"command": command}, "workers": {"processesPerWorker": 4, "launcher": launcher}}
    (start,) = rank_starts(config(tmp_path, spec), ORDER, "", {})
    assert (start.command, start.rank, start.label) == (tuple(command), 4, "worker 1")
    assert {**TORCHRUN, "PET_NPROC_PER_NODE": "4"}.items() <= start.environment.items()
    assert "RANK" not in start.environment


def test_a_torchrun_in_a_shell_script_finds_its_group_too(tmp_path: Path) -> None:
    (start,) = rank_starts(config(tmp_path, {"script": {"command": ["bash", "run.sh"]}}), ORDER, "", {})
    assert {**TORCHRUN, "PET_NPROC_PER_NODE": "1", "RANK": "1"}.items() <= start.environment.items()


def test_accelerate_is_told_of_its_group_and_is_the_rank_where_it_starts_none(tmp_path: Path) -> None:
    (start,) = rank_starts(config(tmp_path, {"script": {"command": ["accelerate", "launch", "t.py"]}}), ORDER, "", {})
    assert start.command[:3] == ("accelerate", "launch", "--num_machines=2")
    assert {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items() <= start.environment.items()
