"""`wattrain init` and then `wattrain run`, both as a user calls them, without an edit between them."""

import csv
import json
import subprocess
import sys

from sklearn.datasets import load_iris

COMMAND = [sys.executable, "-c", "from wattrain_operator.cli import main; main()"]


def test_a_job_that_init_has_written_trains_to_its_receipt_without_an_edit(laptop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    iris = load_iris()
    with (tmp_path / "iris.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["index", *iris.feature_names, "species"])
        names = iris.target_names[iris.target]
        table.writerows([number, *row, name] for number, (row, name) in enumerate(zip(iris.data, names, strict=True)))
    done = subprocess.run([*COMMAND, "init", "iris.csv"], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert laptop.run("job.yaml") == 0
    receipt = json.loads((laptop.directory / "receipt.json").read_bytes())
    assert receipt["data"]["columns"] == list(iris.feature_names)
    assert receipt["data"]["warnings"] == []
    assert receipt["test"]["accuracy"] > 0.8
