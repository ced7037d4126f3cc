"""The data set that the worker brings."""

from __future__ import annotations

import gzip
import io

import numpy as np
import polars as pl

from wattrain_worker.data.table import Table


def read_digits(content: bytes) -> Table:
    """The 1,797 images of 8x8 pixels in `content`, a CSV file under gzip: a pixel a column, and `target`."""
    numbers = np.loadtxt(io.BytesIO(gzip.decompress(content)), delimiter=",", dtype=np.int64)
    names = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    frame = pl.DataFrame({name: numbers[:, i] for i, name in enumerate([*names, "target"])})
    return Table(frame, np.arange(1, frame.height + 1), "line", default_label="target")
