"""The same table gives the same bytes, whatever the number of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from wattrain_worker.data.fit import facts_of, fit_scaler
from wattrain_worker.data.row_blocks import RowBlocks
from wattrain_worker.errors import BadData


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


def test_a_long_table_is_scaled_as_by_its_formula_bit_for_bit() -> None:
    rows = np.random.default_rng(5).normal(3, 10, size=(10_001, 7))
    mean = rows.mean(axis=0)
    deviation = np.sqrt(((rows - mean) ** 2).mean(axis=0))
    scaler = fit_scaler(RowBlocks(rows), facts_of(RowBlocks(rows)), "standard")
    assert (scaler.mean == mean).all()
    assert (scaler.scale == deviation).all()
    assert (scaler.apply(rows) == ((rows - mean) / deviation).astype(np.float32)).all()


def test_of_a_long_table_the_first_wrong_column_is_complained_of(bench: Any) -> None:
    lines = [f"{row},{row},{row}" for row in range(30_000)]
    lines[29_999], lines[7] = "oops,1,1", "1,bad,1"
    path = bench.write("\n".join(["a,b,kind", *lines, ""]))
    with pytest.raises(BadData, match='column "a", line 30001: "oops" is not a number'):
        bench.prepare(path, label="kind")
