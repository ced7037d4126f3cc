"""Tables that are larger than the memory which their preparation takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

CHILD = """
import json, re, sys, threading
from pathlib import Path
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data import prepare, prepare_table, row_blocks
from wattrain_worker.data.readers import streamed

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

def prepared(path):
    data = {"source": {"uri": str(path)}, "label": "y", "clean": {"missing": "mean"}}
    spec = {"recipe": {"name": "mlp"}, "training": {"epochs": 1}, "workers": {}, "data": data}
    prepare.prepare(TrainingJobSpec.model_validate(spec), path.with_suffix(".prepared"))

def watch():
    global most
    while not done.wait(0.005):
        most = max(most, anonymous())

prepare_table.MOST_HELD_BYTES, streamed._PIECE_BYTES = 0, 1 << 19
row_blocks._MOST_BYTES = 1 << 18
prepared(Path(sys.argv[1]))  # what is loaded and set up once
base = most = anonymous()
done = threading.Event()
watching = threading.Thread(target=watch)
watching.start()
prepared(Path(sys.argv[2]))
done.set()
watching.join()
print(most - base)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc, which says what memory is used")
def test_a_table_of_five_times_the_memory_is_prepared(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    few, many = tmp_path / "few.csv", tmp_path / "many.csv"
    for path, rows in ((few, 1000), (many, 60_000)):
        values = {f"x{number}": random.normal(size=rows) for number in range(99)}
        pl.DataFrame({**values, "y": random.integers(0, 2, rows)}).write_csv(path, float_precision=4)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, few, many],
        env=os.environ | {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    # With the real sizes of pieces: python -m tables.larger_than_memory.
    assert 5 * int(child.stdout) < many.stat().st_size, child.stdout
