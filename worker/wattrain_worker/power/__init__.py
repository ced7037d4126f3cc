"""What a worker draws, and where each figure comes from. Standard library and, where it is there, pynvml."""

from wattrain_worker.power.reading import Reading
from wattrain_worker.power.sampler import PowerSampler

__all__ = ["PowerSampler", "Reading"]
