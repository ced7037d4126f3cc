"""With how many threads a rank computes on its CPUs: a directive may ask for fewer than it has started with.

Deterministic training has one thread, and keeps it: how many there are changes the order of additions, and so the last
bits of a matrix product.
"""

from __future__ import annotations

import torch


class ThreadCount:
    """The threads of this rank."""

    def __init__(self, most: int) -> None:
        """`most`: with how many it has started."""
        self.most = self.used = most

    def agree(self, wanted: int) -> bool:
        """Compute with `wanted` threads from now on, at most with all of its own; 0: with all of them. All ranks call
        it after the same step with the same value. Whether that is another number than before."""
        threads = min(wanted, self.most) if wanted > 0 else self.most
        if threads == self.used:
            return False
        torch.set_num_threads(threads)
        self.used = threads
        return True
