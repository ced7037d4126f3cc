"""`wattrain init` and then `wattrain run`, both as a user calls them, without an edit between them."""

import csv
import json
import subprocess
import sys

import pytest
from sklearn.datasets import load_digits, load_iris
from typer.testing import CliRunner

from wattrain_operator.cli.app import app

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


def init_and_validate(given):
    done = subprocess.run([*COMMAND, "init", given], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    answer = CliRunner().invoke(app, ["validate", "job.yaml"])
    assert (answer.exit_code, answer.stderr) == (0, "")


def test_a_folder_of_pictures_is_trained_on_by_the_job_that_init_writes(laptop, tmp_path, monkeypatch):
    pytest.importorskip("torchvision", reason="pictures need torchvision: pip install 'wattrain[images]'")
    pillow = pytest.importorskip("PIL.Image", reason="pictures need pillow: pip install 'wattrain[images]'")
    monkeypatch.chdir(tmp_path)
    digits = load_digits()
    for number, (pixels, digit) in enumerate(zip(digits.images[:100], digits.target[:100], strict=True)):
        (tmp_path / "digits" / str(digit)).mkdir(parents=True, exist_ok=True)
        pillow.fromarray((pixels * 15).astype("uint8")).save(tmp_path / "digits" / str(digit) / f"{number}.png")
    init_and_validate("digits")
    assert laptop.run("job.yaml", "--set", "training.epochs=1") == 0
    receipt = json.loads((laptop.directory / "receipt.json").read_bytes())
    assert receipt["data"]["counts"]["training"] == 80
    assert receipt["training"]["step"] == receipt["training"]["totalSteps"] == 10
    assert 0 <= receipt["test"]["accuracy"] <= 1


def test_a_file_of_text_is_trained_on_by_the_job_that_init_writes(laptop, tmp_path, monkeypatch):
    pytest.importorskip("tokenizers", reason="texts need tokenizers: pip install 'wattrain[text]'")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris.txt").write_text(load_iris().DESCR * 3)
    init_and_validate("iris.txt")
    assert laptop.run("job.yaml", "--set", "training.epochs=1") == 0
    receipt = json.loads((laptop.directory / "receipt.json").read_bytes())
    assert receipt["training"]["step"] == receipt["training"]["totalSteps"] > 0
    assert receipt["test"]["bitsPerByte"] > 0
