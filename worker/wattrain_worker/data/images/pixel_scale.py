"""What pixels are normalised by: sums of whole numbers, so that no order of the pictures changes a bit of it."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from wattrain_worker.data.images.picture_decoding import Pixels

_VALUES: Final = 256


class PixelScale:
    """Mean and standard deviation of each channel, over all pixels of the pictures that were added."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, _VALUES), np.int64)

    def add(self, pixels: Pixels) -> None:
        """One more picture."""
        for channel, values in enumerate(pixels):
            self._counts[channel] += np.bincount(values.ravel(), minlength=_VALUES)

    def to_json_object(self) -> dict[str, list[float]]:
        """`mean` and `deviation`, [3] each, of values from 0 to 255; a channel that never changes has the deviation
        1."""
        means, deviations = [], []
        for counts in self._counts.tolist():
            pixels = sum(counts)
            total = sum(value * count for value, count in enumerate(counts))
            squares = sum(value * value * count for value, count in enumerate(counts))
            means.append(total / pixels)
            deviations.append(math.sqrt((pixels * squares - total * total) / pixels**2) or 1.0)
        return {"mean": means, "deviation": deviations}
