"""`wattrain predict` after `wattrain run`, both as a user calls them."""

import json
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-c", "from wattrain_operator.cli import main; main()"]


def predict(*arguments):
    done = subprocess.run(
        [*COMMAND, "predict", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    "changes",
    [
        ["--set", "workers.replicas=2", "--set", "training.epochs=3"],
        ["--set", "workers.replicas=1", "--set", "training.epochs=3", "--set", "training.precision=bf16"],
    ],
    ids=["two workers", "bf16"],
)
def test_the_test_rows_have_the_accuracy_of_the_receipt_and_the_training_file_is_taken_as_it_is(
    changes, laptop, examples
):
    assert laptop.run(examples / "digits-mlp.yaml", *changes) == 0
    receipt = json.loads((laptop.directory / "receipt.json").read_bytes())
    found = json.loads(predict(laptop.directory, "--split", "test", "--output", "json"))
    assert found["metrics"]["accuracy"] == receipt["test"]["accuracy"] > 0.5
    assert len(found["predictions"]) == receipt["data"]["counts"]["test"]
    lines, rows = predict(laptop.directory / "model", "digits").splitlines(), receipt["data"]["counts"]["read"]
    accuracy = lines[rows]
    assert len(lines) == rows + len(found["metrics"])
    assert float(accuracy.removeprefix("accuracy ")) > 0.5
