"""What a sample costs in arithmetic, and what the group's processors could do at most: how well they are used.

The operations are counted in one step of the training, as the rank makes them, by the formulas of
torch.utils.flop_counter, which are of matrix products, convolutions and attention, forwards and backwards. What
processors can do is in their data sheets; what is not known of one is measured for a CPU, and left out for a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from wattrain_api.contract.progress import DATA_SHEET, MEASURED
from wattrain_api.training import Training
from wattrain_worker.train.process_group import ProcessGroup

_TERA: Final = 1e12
_DATA_SHEETS: Final = {
    "NVIDIA H200": (67.0, 989.0, 989.0),
    "NVIDIA H100 80GB HBM3": (67.0, 989.0, 989.0),
    "NVIDIA A100": (19.5, 312.0, 312.0),
    "NVIDIA L4": (30.3, 121.0, 121.0),
    "Tesla V100-SXM2": (15.7, 0.0, 125.0),
    "Tesla T4": (8.1, 0.0, 65.0),
}
"""By the beginning of torch.cuda.get_device_name: 10^12 operations a second with fp32, bf16 and fp16, without sparsity;
0: it has no such units. fp32 is that of the CUDA cores, for torch does not round it to TF32 by itself. Source: NVIDIA's
data sheets of each (of the L4 half of what it says with sparsity)."""
_SIDE: Final = 512
_TRIES: Final = 5
_TYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Peak:
    """The most operations a second of a processor."""

    flops_per_second: float
    source: str
    """DATA_SHEET or MEASURED."""


class OperationCount(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the floating-point operations that are made inside, without changing any."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        from torch.utils.flop_counter import flop_registry  # here: it takes a while, and a rank counts one step

        self._formulas = flop_registry
        self.flops = 0

    def __torch_dispatch__(self, operation: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = operation(*args, **(kwargs or {}))
        formula = self._formulas.get(getattr(operation, "_overloadpacket", None))
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=made)
        return made


def arithmetic_speed(group: ProcessGroup, training: Training, flops: int, samples: int) -> dict[str, Any]:
    """What is to be told of a step in which this rank has made `flops` operations on `samples` samples: by the names of
    RankReport. All ranks call it at the same step."""
    peak = peak_of(group.device, training)
    told = (0.0, 1.0, "") if peak is None else (peak.flops_per_second, 0.0, peak.source)
    sums = torch.tensor([flops, samples, *told[:2]], dtype=torch.float64, device=group.device)
    all_flops, all_samples, peaks, unknown = group.sum(sums).tolist()
    found: dict[str, Any] = {"flops_per_sample": all_flops / all_samples} if all_flops else {}
    if not unknown:
        found |= {"peak_flops_per_second": peaks, "peak_source": told[2]}
    return found


def peak_of(device: torch.device, training: Training) -> Peak | None:
    """The most that `device` does in the precision of `training`; None: it is not known."""
    if device.type == "cpu":
        return Peak(_measured(_TYPES[training.precision]), MEASURED)
    return sheet_peak(torch.cuda.get_device_name(device), training.precision)


def sheet_peak(device_name: str, precision: str) -> Peak | None:
    """What the data sheet of a GPU says; None for one that is not known, or for a part of one."""
    if "MIG" in device_name.split():
        return None
    found = next((row for name, row in _DATA_SHEETS.items() if _begins_with(device_name, name)), None)
    value = 0.0 if found is None else found[list(_TYPES).index(precision)]
    return Peak(value * _TERA, DATA_SHEET) if value else None


def _begins_with(device_name: str, name: str) -> bool:
    """Whether `name` is there as whole words: an L40 is no L4."""
    return device_name == name or (device_name.startswith(name) and device_name[len(name)] in " -")


def _measured(dtype: torch.dtype) -> float:
    """Operations a second of the fastest of a few products of matrices, on as many threads as a step has."""
    left, right = torch.ones(_SIDE, _SIDE, dtype=dtype), torch.ones(_SIDE, _SIDE, dtype=dtype)
    best = float("inf")
    for _ in range(_TRIES):
        started = time.perf_counter()
        torch.mm(left, right)
        best = min(best, time.perf_counter() - started)
    return 2 * _SIDE**3 / best
