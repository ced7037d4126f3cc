"""The node agent: limits the GPUs of pods that ask for it, reads back what the driver made of it, and restores it.

It belongs to the worker's side: what it needs of a GPU, NVML, is a library of the workers' image, and no other.
"""
