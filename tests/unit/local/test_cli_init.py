"""`wattrain init` as a user calls it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from wattrain_api.data import Source
from wattrain_api.document import read_documents
from wattrain_api.load import load_files
from wattrain_operator.cli import init_command
from wattrain_operator.cli.app import app
from wattrain_operator.cli.starter_document import job_name
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
        "error: data: 'my table.csv': column \"lable\" (--label) is not in the data; did you mean "
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
        (["mixed"], "mixed: has notes.txt beside its .parquet files; remove it, or give a folder of these alone"),
        (["mixed/notes.txt", "--label", "a"], "--label a: names a column of a table, and mixed/notes.txt is none"),
        (["resnet"], "resnet: trains on samples of the kind image, which Wattrain does not bring; give a folder of"),
        (["local://a.csv"], "would have ~ and patterns expanded"),
        (["a" * 3000 + "://b.csv"], "is no address of a file; give a path of at most 2,048 characters"),
        (["mlp", "--out", "."], "--out .: is a directory; give the path of a file"),
        (["mlp", "--out", "no/job.yaml"], "--out no/job.yaml: there is no directory no; make it first"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_without_a_process(arguments, said, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    Path("mixed").mkdir()
    for name in ("a.parquet", "notes.txt"):
        Path("mixed", name).write_text("something")
    done = CliRunner().invoke(app, ["init", *arguments])
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_a_folder_that_is_named_like_a_table_is_told_that_it_is_one():
    Path("a.csv").mkdir()
    done = call("a.csv/")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: a.csv/: is a directory without .parquet files; give a file, ")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((), "error: data: 'given' has no files; give a folder or tar with samples in it\n"),
        (
            ("a.csv", "b.csv", "README"),
            "error: data: 'given' has neither pictures nor texts, but 2 .csv, 1 without an ending; give a folder or "
            "tar that has a folder of pictures (.jpg, .jpeg, .png, .webp, .bmp, .gif, .tif, .tiff, .ppm, .pgm) for "
            "each class, or one of texts (.txt, .jsonl); for the table 'a.csv' give its own path\n",
        ),
    ],
)
def test_a_folder_without_pictures_or_texts_is_refused_by_what_was_found(files, said):
    Path("given").mkdir()
    for name in files:
        Path("given", name).write_text("something")
    done = call("given")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    assert not Path("job.yaml").exists()


@pytest.mark.parametrize(
    ("line", "is_table"),
    [
        ('{"text": "this is a text of some words", "id": 1}', False),
        ('{"text": "this is a text of some words", "Label": "x"}', True),
        ('{"text": "red", "price": 3}', True),
        ('{"a": 1, "b": "x"}', True),
        ("[1]", True),
        ("", True),
        ("{", True),
    ],
)
def test_json_lines_are_texts_where_the_first_has_a_text_of_some_words_and_no_label(line, is_table):
    Path("a.jsonl").write_text(f"\n{line}\n")
    assert init_command._is_table("a.jsonl", Source(uri="a.jsonl"), None) is is_table
    assert init_command._is_table("a.jsonl", Source(uri="a.jsonl"), "id")


@pytest.mark.parametrize(
    ("names", "is_table"),
    [(["cat/1.jpg", "dog/2.jpg"], False), (["a.txt"], False), (["part-0.parquet", "part-1.parquet", "_SUCCESS"], True)],
)
def test_a_folder_at_an_address_is_looked_at_as_what_its_files_are(names, is_table, tmp_path):
    for name in names:
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).touch()
    address = f"simplecache::file://{tmp_path}/folder/"  # is read as what is remote
    assert init_command._is_table(address, Source(uri=address), None) is is_table


def test_init_says_what_is_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "polars" else object())
    done = CliRunner().invoke(app, ["init", "mlp", "--out", "-"])
    assert done.exit_code == 2
    assert "error: the recipes need polars: pip install 'wattrain[local]'" in done.stderr


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("data/My Table (2).csv", "my-table-2"),
        ("s3://bucket/éé.parquet", "my-job"),
        ("a" * 80 + ".csv", "a" * 47),
        ("x" * 46 + "-y.csv", "x" * 46),
        ("mlp", "mlp"),
        (".", "my-job"),
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
