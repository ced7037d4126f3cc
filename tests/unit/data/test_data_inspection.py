"""`wattrain init`: what it proposes for a table is what a training of that table takes, without an edit."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import datasets

from wattrain_api.data import DEFAULT_MISSING_VALUES, Source
from wattrain_api.inspected import Inspected
from wattrain_api.load import load_files
from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_api.support import unsupported
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cli.starter_job import job_text
from wattrain_worker.data.inspection import inspect_table, main
from wattrain_worker.data.prepare import prepare
from wattrain_worker.data.prepared_data import load_prepared
from wattrain_worker.errors import BadData
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.recipes.recipe_protocol import TableShape


def inspected(path: Path, label: str | None = None) -> Inspected:
    return inspect_table(Source(uri=str(path)), "mlp", label)


def job_of(path: Path, seen: Inspected, into: Path) -> TrainingJob:
    """The job that is written for the table, as `wattrain validate` reads it."""
    text = job_text(str(path), "mlp", RECIPE_PARAMETERS["mlp"](), seen, "job.yaml")
    file = into / "job.yaml"
    file.write_text(text, encoding="utf-8")
    (job,) = load_files([file]).jobs
    assert unsupported(job.spec) == []
    assert max(map(len, text.splitlines())) < 400
    return job


def trained(job: TrainingJob, into: Path) -> list[float]:
    """The losses of two steps on the prepared data of the job."""
    prepare(job.spec, into)
    prepared = load_prepared(into)
    recipe = find_recipe("mlp", prepared.task)
    classes = 1 if prepared.task == "regression" else len(prepared.classes)
    assert job.spec.recipe is not None
    torch.manual_seed(0)
    model = recipe.build_model(TableShape(prepared.train.features.shape[1], classes), job.spec.recipe.params)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001)
    features, labels = torch.from_numpy(prepared.train.features.copy()), torch.from_numpy(prepared.train.labels.copy())
    losses = []
    for _ in range(2):
        loss = recipe.loss_sum(model(features), labels) / len(labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


def rows(header: str, count: int, row: Any) -> str:
    return "\n".join([header, *(row(i) for i in range(count))]) + "\n"


HOSTILE: dict[str, str] = {
    "two rows a class": rows("a,b,c", 4, lambda i: f"{i * i},{(i * 7) % 3},{'xy'[i % 2]}"),
    "names as YAML reads them otherwise": rows(
        '"yes",no,"null","1e3","a: b","#c","x, y","[z]","ü ö",label', 60,
        lambda i: ",".join(f"{(i * k) % 7 + 0.5}" for k in range(2, 11)) + f",{'yes' if i % 3 else 'no'}",
    ),
    "classes of three rows beside one of many": rows("a,b,y", 90, lambda i: f"{i % 11},{i % 7},{i < 3}"),
    "texts among numbers": rows("a,b,y", 80, lambda i: f"{'many' if i % 9 == 0 else i % 4},{i % 5},{i % 2}"),
    "gaps, and a label that lacks rows": rows(
        "a,when,y", 70, lambda i: f"{'' if i % 6 == 0 else i},2026-01-{1 + i % 28:02d},{'' if i % 10 == 0 else i % 3}",
    ),
    "only an identifier": rows("id,y", 50, lambda i: f"{i},{i % 2}"),
    "numbers beyond a variance": rows("a,b,y", 50, lambda i: f"{i % 7}e200,{i % 5},{i % 2}"),
    "not finite": rows("a,b,y", 50, lambda i: f"{'inf' if i == 7 else i % 3},{i % 5},{i % 2}"),
    "a column without a value": rows("a,b,y", 50, lambda i: f",{i % 5},{i % 2}"),
    "free text": rows("note,b,y", 90, lambda i: f"sentence number {i},{i % 5},{i * 0.37}"),
    "constant": rows("a,b,y", 50, lambda i: f"5,{i % 5},{i % 2}"),
    "many classes": rows("a,b,y", 300, lambda i: f"{i % 17},{i % 5},class {i % 60}"),
    "one blank and one word for missing": rows("a,b,y", 60, lambda i: f"{['?', ' ', '3', '4'][i % 4]},{i % 5},{i % 2}"),
    "a question mark that is a class": rows("a,b,y", 60, lambda i: f"{'?34'[i % 3]},{i % 5},{'?z'[i % 2]}"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_job_for_a_hostile_table_is_valid_and_trains(tmp_path: Path, name: str) -> None:
    path = tmp_path / "odd, [table] #1.csv"
    path.write_text(HOSTILE[name], encoding="utf-8")
    losses = trained(job_of(path, inspected(path), tmp_path), tmp_path / "data")
    assert np.isfinite(losses).all()


BUNDLED = {
    "iris": (datasets.load_iris, "classification"),
    "wine": (datasets.load_wine, "classification"),
    "breast_cancer": (datasets.load_breast_cancer, "classification"),
    "diabetes": (datasets.load_diabetes, "regression"),
}


@pytest.mark.parametrize("name", BUNDLED)
def test_a_job_for_a_known_table_has_its_task_and_all_of_its_columns(tmp_path: Path, name: str) -> None:
    load, task = BUNDLED[name]
    bunch = load()
    frame = pl.DataFrame(bunch.data, schema=list(bunch.feature_names)).with_columns(target=bunch.target)
    path = tmp_path / f"{name}.csv"
    frame.write_csv(path)
    seen = inspected(path)
    assert (seen.task, seen.label, seen.rows) == (task, "target", len(bunch.target))
    assert seen.data.features == ()
    losses = trained(job_of(path, seen, tmp_path), tmp_path / "data")
    assert losses[1] < losses[0]


CELLS = st.one_of(
    st.floats(allow_nan=False, width=32).map(str), st.integers(-5, 5).map(str),
    st.sampled_from(["", "NA", "?", "true", "a b"]),
    st.text(st.characters(codec="utf-8", exclude_characters='",\r\n\x00'), max_size=5),
)  # fmt: skip


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_the_table_the_job_trains_or_the_table_is_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("table")
    kinds = data.draw(st.lists(st.sampled_from(["whole", "float", "word", "any"]), min_size=2, max_size=4))
    pools = {
        "whole": st.integers(0, 3).map(str), "float": st.floats(-9, 9).map(str), "word": st.sampled_from("abc"),
        "any": CELLS,
    }  # fmt: skip
    count = data.draw(st.integers(1, 40))
    table = [[data.draw(pools[kind]) for kind in kinds] for _ in range(count)]
    path = folder / "t.csv"
    path.write_text("\n".join([",".join(f"c{i}" for i in range(len(kinds))), *map(",".join, table)]), encoding="utf-8")
    try:
        seen = inspected(path)
    except BadData as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert "; " in refusal
        return
    assert np.isfinite(trained(job_of(path, seen, folder), folder / "data")).all()


def test_what_is_seen_in_a_table_is_said_in_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("birds.csv")
    path.write_text(
        rows("rowid,sex,when,ringed,mass,species", 120, lambda i: (
            f"{i + 1},{'' if i % 11 == 0 else 'mf'[i % 2]},2026-02-{1 + i % 28:02d},{'true' if i % 3 else 'false'},"
            f"{'?' if i % 20 == 0 else 3000 + i * 7 % 500},{'gentoo' if i % 12 == 0 else 'adelie'}"
        ))
    )  # fmt: skip
    seen = inspected(path)
    text = job_text("birds.csv", "mlp", RECIPE_PARAMETERS["mlp"](), seen, "job.yaml")
    for said in (
        "# birds.csv: 120 rows, 6 columns.",
        "species; it is the last column",
        "Classes: 2, with their rows: adelie (110), gentoo (10).",
        "sex: text; 2 different; 11 rows lack it",
        "mass: number; 6 rows lack it",
        "rowid: number; left out of the features: an integer that rises or falls from line to line",
        "split: {method: time, column: when}",
    ):
        assert said in text
    job = job_of(path, seen, tmp_path)
    assert job.spec.data is not None
    assert job.spec.training is not None
    assert job.spec.data.features == ("sex", "when", "ringed", "mass")
    assert {name: schema.type for name, schema in job.spec.data.column_schema.items()} == {
        "sex": "string", "when": "date", "ringed": "boolean"
    }  # fmt: skip
    assert job.spec.data.missing_values == (*DEFAULT_MISSING_VALUES, "?")
    assert job.spec.data.clean.missing == "indicator"
    assert job.spec.data.split.method == "stratified"
    assert job.spec.training.class_weights == "balanced"
    assert job.spec.training.early_stopping is None


def test_a_question_mark_among_the_classes_is_no_word_for_missing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HOSTILE["a question mark that is a class"])
    seen = inspected(path)
    assert seen.words_for_missing == ()
    assert {each.name for each in seen.classes} == {"?", "z"}


@pytest.mark.parametrize(
    ("header", "label"),
    [("label,a,y", "label"), ("a,Target,b", "Target"), ("y,class,a", "class"), ("a,b,c", "c"), ("y,x,Z", "Z")],
)
def test_the_label_is_known_by_its_name_or_else_the_last_column(tmp_path: Path, header: str, label: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(rows(header, 60, lambda i: f"{i % 2},{i % 3},{i % 4}"))
    assert inspected(path).label == label


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the file is empty"),
        ("a,y\n", "no rows"),
        (rows("a,y", 30, lambda i: f"{i % 4},same"), "the same value in all 30 rows; name another column with --label"),
        (rows("a,y", 30, lambda i: f"{i % 4},"), "no value in any of the 30 rows; name another column with --label"),
        (rows("a,y", 30, lambda i: f"{i % 4},name {i}"), "30 classes in 30 rows"),
        (rows("note,y", 60, lambda i: f"text {i},{i % 2}"), "no column is left to predict"),
        (rows("y", 30, lambda i: f"{i % 2}"), "no column is left to predict"),
        ("\x00\x01\x02binary\x00" * 50, "data: "),
    ],
    ids=["empty", "no rows", "one value", "no label", "names", "free text", "one column", "binary"],
)  # fmt: skip
def test_what_cannot_be_trained_on_is_refused_with_a_sentence(
    tmp_path: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content, encoding="latin-1")
    assert main(["--source", json.dumps({"uri": str(path)}), "--recipe", "mlp"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert output.err.count("\n") == 1
    assert said in output.err


def test_other_formats_are_looked_at_in_the_same_way(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": range(90), "when": pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 3, 31), eager=True)})
    frame = frame.with_columns(
        a=pl.col("a") % 7, lists=pl.lit([1, 2]).implode().repeat_by(1).list.first(), y=pl.col("a") % 2
    )
    path = tmp_path / "t.parquet"
    frame.write_parquet(path)
    seen = inspected(path)
    assert {column.name: column.kind for column in seen.columns} == {"a": "number", "when": "date", "lists": "other"}
    assert trained(job_of(path, seen, tmp_path), tmp_path / "data")
    packed = io.BytesIO()
    np.savez(packed, X=np.arange(120.0).reshape(60, 2) % 7, y=np.arange(60) % 3)
    (tmp_path / "t.npz").write_bytes(packed.getvalue())
    assert inspected(tmp_path / "t.npz").label == "y"
