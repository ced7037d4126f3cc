"""The registry of power sources: a row each, in the order of precedence, and the components that they cover.

For each component the first source that answers counts, never two at the same time (docs/energy.md). The worker's code
of a row is the class `Source` in `wattrain_worker/power/sources/<name>_source.py`. Labels of metrics, what the operator
takes from a worker, and which joules count as measured follow from these rows.

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class PowerSourceRow(NamedTuple):
    """What everybody must know of a source."""

    name: str
    """Value of the label `source`."""
    components: tuple[str, ...]
    """Components that it may account for."""
    is_measured: bool
    """Whether its joules come from a counter of the hardware; else they are computed."""
    meaning: str
    """What its figures are, for the documents: a phrase that goes on after the name."""


POWER_SOURCES: Final = (
    PowerSourceRow("nvml", ("gpu", "module"), True, "the energy counter of an NVIDIA GPU, or its power over time"),
    PowerSourceRow("rapl", ("cpu", "memory"), True, "the processor's energy counter, divided by CPU time"),
    PowerSourceRow("model", ("cpu", "memory"), False, "computed from CPU time and memory, with wide bounds"),
)
SOURCES: Final = tuple(row.name for row in POWER_SOURCES)
"""Where a figure may come from."""
MEASURED_SOURCES: Final = tuple(row.name for row in POWER_SOURCES if row.is_measured)

COMPONENTS: Final = ("cpu", "memory", "gpu", "module")
"""What draws the power. `cpu` by the model stands for the whole share of the machine, fans and disks included."""
CONTAINED_COMPONENTS: Final[Mapping[str, tuple[str, ...]]] = {"module": ("cpu", "memory")}
"""Components whose energy is in that of another: a module is a GPU with its CPU and memory, under one counter."""
