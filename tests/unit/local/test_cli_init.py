"""`wattrain init` as a user calls it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from wattrain_api.document import read_documents
from wattrain_api.load import load_files
from wattrain_operator.cli.app import app
from wattrain_operator.cli.starter_job import job_name
from wattrain_operator.cli.yaml_text import in_yaml

TABLE = "a,b,label\n" + "".join(f"{i % 7},{i % 5},{'xy'[i % 2]}\n" for i in range(60))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my table.csv").write_text(TABLE)
    return tmp_path


def call(*arguments):
    """The command as a process: what the worker's process says on standard error is part of the answer."""
    command = [sys.executable, "-c", "from wattrain_operator.cli import main; main()", "init", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})


def test_init_writes_a_job_that_validate_accepts():
    done = call("my table.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "job.yaml: a job that predicts label (classification) from my table.csv; start it: wattrain run job.yaml\n"
    )
    answer = CliRunner().invoke(app, ["validate", "job.yaml"])
    assert (answer.exit_code, answer.stdout) == (0, "TrainingJob my-table: valid\n")
    (job,) = load_files(["job.yaml"]).jobs
    assert job.spec.data is not None
    assert job.spec.data.source.uri == "my table.csv"


def test_init_overwrites_nothing_unless_it_is_told_to():
    Path("job.yaml").write_text("mine")
    done = call("my table.csv")
    assert done.returncode == 2
    assert done.stderr == (
        "error: --out job.yaml: is there already; choose another file with --out, or replace it with --force\n"
    )
    assert Path("job.yaml").read_text() == "mine"
    assert call("my table.csv", "--force", "--label", "a").returncode == 0
    assert yaml.safe_load(Path("job.yaml").read_text())["spec"]["data"]["label"] == "a"


def test_init_prints_where_it_is_asked_to_and_writes_nothing():
    done = call("logistic-regression", "--out", "-")
    assert (done.returncode, done.stderr) == (0, "")
    spec = yaml.safe_load(done.stdout)["spec"]
    assert spec["recipe"]["name"] == "logistic-regression"
    assert spec["data"]["source"] == {"builtin": "digits"}
    assert sorted(path.name for path in Path().iterdir()) == ["my table.csv"]


def test_what_the_worker_refuses_is_one_sentence_and_leaves_no_file():
    done = call("my table.csv", "--label", "lable")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        'error: data: column "lable" (--label) is not in the data; did you mean '
        "'label'? its columns are a, b, label\n"
    )
    assert not Path("job.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["nothing.csv"],
            "nothing.csv: there is no such file, and no recipe of that name (there are ",
        ),
        (["."], ".: is a directory without .parquet files; give a file, a folder of .parquet files"),
        (["."], "for other folders start from the examples of "),
        (["resnet"], "resnet: trains on samples of the kind image, and init writes jobs for tables"),
        (["local://a.csv"], "would have ~ and patterns expanded"),
        (["a" * 3000 + "://b.csv"], "is no address of a file; give a path of at most 2,048 characters"),
        (["mlp", "--out", "."], "--out .: is a directory; give the path of a file"),
        (["mlp", "--out", "no/job.yaml"], "--out no/job.yaml: there is no directory no; make it first"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_without_a_process(arguments, said, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    done = CliRunner().invoke(app, ["init", *arguments])
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_init_says_what_is_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "polars" else object())
    done = CliRunner().invoke(app, ["init", "mlp", "--out", "-"])
    assert done.exit_code == 2
    assert "error: the recipes need polars: pip install 'wattrain[local]'" in done.stderr


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("data/My Table (2).csv", "my-table-2"),
        ("s3://bucket/éé.parquet", "my-table"),
        ("a" * 80 + ".csv", "a" * 47),
        ("x" * 46 + "-y.csv", "x" * 46),
        ("mlp", "mlp"),
    ],
)
def test_the_job_has_a_name_that_kubernetes_takes(asked, name):
    assert job_name(asked) == name


@pytest.mark.parametrize(
    "value",
    ["plain", "two words", "yes", "NULL", "1e3", "0x1f", "22:00", "a: b", "#c", "x, y", "-", "", " a", "[z]",
     "ü\x85\x7f", "\U0001f600", "~", "a\tb", '"', "'", "<<", "=", "!tag", "&a", "*", "%", "@", "`",
     ["a", 1, {"b: c": None}], {"on": True}],
)  # fmt: skip
def test_what_is_written_as_yaml_is_read_as_it_was(value, folder):
    text = f"value: {in_yaml(value)}   # beside it\n"
    (document,) = read_documents(text, "a.yaml")
    assert document.value == {"value": value}
