"""Commands that start ranks themselves: torchrun, accelerate launch, deepspeed.

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

TORCHRUN: Final = "torchrun"
ACCELERATE: Final = "accelerate"
DEEPSPEED: Final = "deepspeed"
_MODULES: Final = {
    "torch.distributed.run": TORCHRUN, "torch.distributed.launch": TORCHRUN, "accelerate.commands.launch": ACCELERATE,
    "deepspeed": DEEPSPEED, "deepspeed.launcher.runner": DEEPSPEED,
}  # fmt: skip
_PYTHON: Final = re.compile(r"(.*/)?python[0-9.]*")


def launcher_of(command: Sequence[str]) -> str:
    """Which launcher `command` is: one of the words above; empty: it is what a single rank runs."""
    program, *arguments = command
    if _PYTHON.fullmatch(program):
        options = 0
        while options < len(arguments) and arguments[options] in ("-u", "-P", "-I", "-s", "-E", "-B"):
            options += 1
        is_module = arguments[options : options + 1] == ["-m"]
        return _MODULES.get(next(iter(arguments[options + 1 :]), ""), "") if is_module else ""
    name = program.rpartition("/")[2]
    if name == ACCELERATE:
        return ACCELERATE if arguments[:1] == ["launch"] else ""
    return name if name in (TORCHRUN, DEEPSPEED) else ""


def with_group(command: Sequence[str], workers: int, worker: int, processes: int, address: str, port: int) -> list[str]:
    """`command` of accelerate, told of its group. What the command says itself comes later and counts."""
    place = next(i for i, word in enumerate(command) if word in ("launch", "accelerate.commands.launch")) + 1
    group = [
        f"--num_machines={workers}", f"--machine_rank={worker}", f"--num_processes={workers * processes}",
        f"--main_process_ip={address}", f"--main_process_port={port}",
    ]  # fmt: skip
    return [*command[:place], *group, *command[place:]]
