"""The same table gives the same bytes, whatever the number of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np


def test_threads_change_no_byte(bench: Any) -> None:
    random = np.random.default_rng(3)
    rows = 40_000  # enough for polars to read parts at a time, and for sums to differ by their order
    numbers = random.normal(size=(rows, 4)).round(6).tolist()
    kinds = random.choice(["a", '"b,b"', "é", "NA"], rows).tolist()
    lines = [",".join([*map(str, row), kind]) for row, kind in zip(numbers, kinds, strict=True)]
    bench.write("\n".join(["a,b,c,d,kind", *lines, *lines[:500], ""]))
    data = {"source": {"uri": "table.csv"}, "label": "kind", "clean": {"dropDuplicates": True, "missing": "mean"}}
    outliers = {"outliers": {"method": "zscore", "threshold": 3, "action": "clip"}}
    spec = {"recipe": {"name": "mlp"}, "training": {"epochs": 1}, "data": {**data, "clean": data["clean"] | outliers}}
    bench.write(json.dumps(spec), name="spec.json")
    threads = ("1", "2", "7")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "wattrain_worker.data"],
            cwd=bench.folder,
            env=os.environ
            | dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), count)
            | {"WATTRAIN_SPEC": "spec.json", "WATTRAIN_DATA_DIR": count},
        )
        for count in threads
    ]
    assert [process.wait(120) for process in started] == [0, 0, 0]
    one, *others = (bench.shards(count) for count in threads)
    assert [other == one for other in others] == [True, True]
    assert bench.document("7")["counts"]["duplicates"] > 0
