"""Where arrays with an item a row lie while a table is prepared: in memory, or, of a large table, in files beside the
shards, which the kernel reads and writes as memory allows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wattrain_worker.data.file_room import reserve


class Scratch:
    """Gives arrays room. What lies in files is gone with the array, or with the process, however that ends."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` takes the files; None: arrays lie in memory."""
        self.folder = folder

    def empty(self, shape: tuple[int, ...], kind: type[np.generic]) -> npt.NDArray[Any]:
        """An array to be written before it is read. OSError where the folder has no room for it."""
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        if self.folder is None or not size:
            return np.empty(shape, kind)
        with tempfile.TemporaryFile(dir=self.folder) as file:  # has no name, so that nothing is left behind
            reserve(file.fileno(), size)
            return np.asarray(np.memmap(file, kind, "r+", shape=shape))
