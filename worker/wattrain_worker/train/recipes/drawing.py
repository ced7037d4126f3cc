"""Random numbers of samples, which neither the batch that a sample is in changes, nor the rank, nor a restart."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from wattrain_worker.data.row_digests import GAMMA, mixed
from wattrain_worker.train.recipes.recipe_protocol import Draw

DRAWN_BELOW: Final = 2**24
"""24 bits are what a float32 holds exactly: `uniform` gives as many different numbers."""


def uniform(draw: Draw, samples: Tensor, count: int) -> Tensor:
    """[samples, count] float32 in [0, 1), evenly spread: `count` numbers for each of `samples`, [samples] int64, in the
    step of `draw`.

    Seed, step and number of a sample start a sequence of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom
    number generators", OOPSLA 2014), of which it gets the first numbers.
    """
    state = mixed(mixed(np.array([draw.seed], np.uint64)) + np.uint64(draw.step))
    states = mixed(state + samples.numpy().astype(np.uint64))
    numbers = mixed(states[:, np.newaxis] + np.arange(1, count + 1, dtype=np.uint64) * GAMMA)
    return torch.from_numpy((numbers >> np.uint64(40)).astype(np.float32) / np.float32(DRAWN_BELOW))


def whole(drawn: Tensor) -> Tensor:
    """`drawn`, which `uniform` gave, as whole numbers below DRAWN_BELOW: for a model that knows among how many."""
    return (drawn * DRAWN_BELOW).long()


def among(wholes: Tensor, count: int) -> Tensor:
    """Of `wholes`, which `whole` gave, numbers from 0 to `count` - 1, evenly spread."""
    return wholes * count // DRAWN_BELOW
