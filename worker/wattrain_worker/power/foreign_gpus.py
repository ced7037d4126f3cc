"""GPUs that no source can count: they make the worker's figure incomplete."""

from __future__ import annotations

from typing import Final

from wattrain_worker.power.gaps import Gap
from wattrain_worker.power.power_source import Machine

_DEVICE_FILES: Final = {"/dev/kfd": "an AMD GPU is not counted: there is no source for it"}


def note_foreign_gpus(machine: Machine) -> None:
    """Note the GPUs of other makers that this worker has been given, or uses later."""
    for device_file, reason in _DEVICE_FILES.items():
        if not (machine.root / device_file.lstrip("/")).exists():
            continue
        if machine.devices_are_given:
            machine.notices.once(device_file, reason)
            machine.gaps.note(device_file, Gap("gpu", reason))
        else:
            machine.gaps.note_where_used(device_file, Gap("gpu", reason))
