"""Commands that start ranks themselves."""

from __future__ import annotations

import pytest

from wattrain_api.contract.launchers import launcher_of, with_group


@pytest.mark.parametrize(
    ("command", "launcher"),
    [
        ("torchrun train.py", "torchrun"),
        ("/opt/conda/bin/torchrun --standalone train.py", "torchrun"),
        ("python -m torch.distributed.run train.py", "torchrun"),
        ("/usr/bin/python3.11 -u -m torch.distributed.launch train.py", "torchrun"),
        ("accelerate launch train.py", "accelerate"),
        ("python3 -m accelerate.commands.launch train.py", "accelerate"),
        ("deepspeed train.py", "deepspeed"),
        ("accelerate config", ""),
        ("python train.py torchrun", ""),
        ("python -m train -m torch.distributed.run", ""),
        ("python -c torchrun", ""),
        ("python", ""),
        ("./torchrun.sh", ""),
        ("bash -c torchrun", ""),
    ],
)
def test_a_launcher_is_known_by_its_program_or_its_module(command: str, launcher: str) -> None:
    assert launcher_of(command.split()) == launcher


def test_accelerate_is_told_of_its_group_before_what_the_command_says_itself() -> None:
    command = ["accelerate", "launch", "--num_processes=8", "train.py", "--launch"]
    assert with_group(command, 2, 1, 4, "10.0.0.1", 9) == [
        "accelerate", "launch", "--num_machines=2", "--machine_rank=1", "--num_processes=8",
        "--main_process_ip=10.0.0.1", "--main_process_port=9", "--num_processes=8", "train.py", "--launch",
    ]  # fmt: skip
