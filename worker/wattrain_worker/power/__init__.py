"""What a worker draws, and where each figure comes from. Standard library and, where it is there, pynvml.

`power_source.py` has the protocol of a source, `sources/` the sources, `precedence.py` the rule that lets one source
alone count for each component, and `power_sampler.py` the thread that asks them once a second.
"""

from wattrain_worker.power.gaps import Gap
from wattrain_worker.power.meter import Reading
from wattrain_worker.power.power_sampler import PowerSampler

__all__ = ["Gap", "PowerSampler", "Reading"]
