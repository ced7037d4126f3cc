"""Windows of tokens: what a model of the next token is trained and evaluated on."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from wattrain_worker.data.prepared_data import Shard

NO_TOKEN: Final = 65_535
"""What fills the last window of a split; no vocabulary is that large."""


def windows_of(stream: npt.NDArray[np.uint16], length: int, bytes_of_tokens: npt.NDArray[np.int32]) -> Shard:
    """`stream` [tokens] cut into windows: `tokens` [windows, length + 1] uint16, each of which begins with the last
    token of the one before, so that all tokens but the first are predicted once; and `bytes` [windows] int32, of the
    text that the predicted ones stand for. NO_TOKEN fills the last window."""
    windows = max(0, -(-(len(stream) - 1) // length))
    filled = np.full(windows * length + 1, NO_TOKEN, np.uint16)
    filled[: len(stream)] = stream[: len(filled)]
    where = np.arange(windows)[:, np.newaxis] * length + np.arange(length + 1)
    tokens = filled[where]
    sizes = np.append(bytes_of_tokens, np.zeros(NO_TOKEN + 1 - len(bytes_of_tokens), np.int32))
    return Shard({"tokens": tokens, "bytes": sizes[tokens[:, 1:]].sum(axis=1, dtype=np.int32)})
