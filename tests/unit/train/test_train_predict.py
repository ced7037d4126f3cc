"""`wattrain predict` on exported models: the classes are those that the trained model chooses, of every file that a
training takes."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import prepare
from wattrain_worker.data.prepared_data import Prepared, load_prepared
from wattrain_worker.predict.__main__ import main
from wattrain_worker.train.export import Choice, export_model
from wattrain_worker.train.rank_environment import read_environment
from wattrain_worker.train.recipes import find_recipe, recipe_folders
from wattrain_worker.train.recipes.recipe_protocol import TableShape

COLUMNS = 6


@dataclass(frozen=True)
class Exported:
    """A model that was exported, and the table that its data was prepared from."""

    model: torch.nn.Module
    prepared: Prepared
    directory: Path
    table: Path

    def chosen(self) -> tuple[Counter[str], float]:
        """How often the model chooses each class, and its accuracy: a class that the data does not have is wrong."""
        shards = (self.prepared.train, self.prepared.validation, self.prepared.test)
        features, labels = (np.concatenate([getattr(s, part) for s in shards]) for part in ("features", "labels"))
        with torch.inference_mode():
            outputs = self.model.eval()(torch.from_numpy(features))
        best = outputs[:, : len(self.prepared.classes)].argmax(1).tolist()
        right = float((outputs.argmax(1).numpy() == labels).mean())
        return Counter(str(self.prepared.classes[i]) for i in best), right


def answers_and_accuracy(out: str) -> list[str]:
    """The lines of a text form up to the accuracy, after which come the other metrics."""
    lines = out.splitlines()
    return lines[: next(place for place, line in enumerate(lines) if line.startswith("accuracy ")) + 1]


def table(path: Path) -> Path:
    """200 rows with a class that follows from the first column; some values are missing, one is far from the rest."""
    random = np.random.default_rng(5)
    values = random.normal(3, 2, (200, COLUMNS))
    values[7, 1] = 500
    lines = [[f"{value:.6f}" for value in row] for row in values]
    for row in range(0, 200, 17):
        lines[row][2] = ""
    kinds = np.array(["low", "middle", "high"])[np.digitize(values[:, 0], [2, 4])]
    rows = [[*line, kind] for line, kind in zip(lines, kinds, strict=True)]
    header = [*(f"c{column}" for column in range(COLUMNS)), "kind"]
    path.write_text("\n".join(map(",".join, [header, *rows])))
    return path


def exported(folder: Path, recipe: dict[str, Any], **data: Any) -> Exported:
    """A model of `recipe` with random weights, exported as at the end of a training. `data` replaces fields of
    spec.data."""
    clean = {"missing": "mean", "outliers": {"method": "zscore", "threshold": 5, "action": "clip"}}
    data = {"source": {"uri": str(folder / "table.csv")}, "label": "kind", "clean": clean, **data}
    if not (folder / "table.csv").exists():
        table(folder / "table.csv")
    document = {"recipe": recipe, "data": data, "training": {"epochs": 1}}
    (folder / "spec.json").write_text(json.dumps(document))
    directories = {
        names.ENV_DATA_DIR: "data", names.ENV_CHECKPOINT_DIR: "checkpoints", names.ENV_MODEL_DIR: "model",
        names.ENV_SPEC: "spec.json",
    }  # fmt: skip
    environment = read_environment({name: str(folder / path) for name, path in directories.items()})
    prepare(TrainingJobSpec.model_validate(document), environment.data_dir, claims_dir=folder / "claims")
    prepared = load_prepared(environment.data_dir)
    found = find_recipe(recipe["name"], prepared.task)
    parameters = found.parameters.model_validate(recipe.get("params", {}))
    classes = recipe.get("params", {}).get("classes", len(prepared.classes) or 1)
    model = found.build_model(TableShape(prepared.train.features.shape[1], classes), parameters)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    export_model(environment, model.state_dict(), prepared, Choice(1), None)
    return Exported(model, prepared, environment.model_dir, Path(data["source"].get("uri", "digits")))


Predict = Callable[..., tuple[int, str, str]]


@pytest.fixture
def predict(capsys: pytest.CaptureFixture[str]) -> Predict:
    """Exit code, standard output and standard error of the command on a file (default: that of the training)."""

    def predict(of: Exported, *arguments: str, file: Path | str | None = None) -> tuple[int, str, str]:
        asked = () if "--split" in arguments else ("--file", str(file or of.table))
        code = main([str(of.directory), *asked, *arguments])
        return code, *capsys.readouterr()

    return predict


def is_for_tables(name: str) -> bool:
    recipe = find_recipe(name)
    return recipe.parameters.SAMPLES == "table" and recipe.task == "classification"


RECIPES = [
    *({"name": name} for name in recipe_folders() if is_for_tables(name)),
    {"name": "mlp", "params": {"hidden": [32, 16], "dropout": 0.9, "classes": 7}},
]
LINEAR = {"name": "logistic-regression"}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: " ".join(map(str, recipe.values())))
def test_a_model_of_every_recipe_predicts_as_it_was_trained(
    recipe: dict[str, Any], tmp_path: Path, predict: Predict
) -> None:
    model = exported(tmp_path, recipe)
    code, out, err = predict(model)
    *found, accuracy = answers_and_accuracy(out)
    chosen, right = model.chosen()
    assert (code, err) == (0, "")
    assert Counter(found) == chosen
    assert len(chosen) > 1
    assert accuracy == f"accuracy {right:.4f}"


def test_a_model_that_was_not_written_as_onnx_says_what_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = exported(tmp_path, LINEAR)
    assert main([str(model.directory / "model.onnx"), "--split", "test"]) == 2
    told = capsys.readouterr().err
    assert told.endswith(
        "No such file or directory; train with spec.training.onnx: true, or give the directory of the model\n"
    )


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_rows_of_a_split_have_the_answers_of_the_shard_whatever_their_form(
    split: str, tmp_path: Path, predict: Predict
) -> None:
    model = exported(tmp_path, {"name": "mlp"})
    shard = getattr(model.prepared, split)
    with torch.inference_mode():
        best = model.model.eval()(torch.from_numpy(shard.features.copy())).argmax(1).numpy()
    right = float((best == shard.labels).mean())
    expected, labels = ([str(model.prepared.classes[i]) for i in codes] for codes in (best, shard.labels))
    assert answers_and_accuracy(predict(model, "--split", split)[1]) == [*expected, f"accuracy {right:.4f}"]
    document = json.loads(predict(model, "--split", split, "--output", "json")[1])
    assert document["metrics"]["accuracy"] == float(f"{right:.5g}")
    recalls = [(best[shard.labels == code] == code).mean() for code in np.unique(shard.labels)]
    assert document["metrics"]["balancedAccuracy"] == pytest.approx(np.mean(recalls), rel=1e-4)
    assert list(document["metrics"]) == ["accuracy", "balancedAccuracy", "f1", "rocAuc"]
    in_text = predict(model, "--split", split)[1].splitlines()[-4:]
    assert in_text == [f"{name} {value:.4f}" for name, value in document["metrics"].items()]
    assert [row["prediction"] for row in document["predictions"]] == expected
    _, out, err = predict(model, "--split", split, "--output", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["row"], row["prediction"], row["label"]) for row in rows] == [
        (str(i), *pair) for i, pair in enumerate(zip(expected, labels, strict=True), start=1)
    ]
    assert err.splitlines() == in_text


def _lines(kinds: tuple[str, str], cell: Callable[[int], str], count: int = 80) -> str:
    """A table whose class follows from column a; `cell` writes column b of a row."""
    rows = (f"{i % 2 * 3 + i % 7 / 8},{cell(i)},{kinds[i % 2]}\n" for i in range(count))
    return "a,b,kind\n" + "".join(rows)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\ufeff" + _lines(("no", "yes"), lambda i: str(i / 8)).replace("a,b", "a, b"), {}),
        (_lines(("no", "yes"), lambda i: ("true", "False")[i % 3 % 2]), {}),
        (_lines(("01", "02"), lambda i: str(i / 8)), {}),
        (
            _lines(("no", "yes"), lambda i: f"2026-03-{i % 30 + 1:02}T{i % 24:02}:00" if i % 9 else ""),
            {"missing": "mean"},
        ),
        (_lines(("0", "1"), lambda i: "NA" if i % 9 == 0 else str(i / 8)), {"missing": "mean"}),
        (_lines(("false", "true"), lambda i: str(i / 8)), {}),
        (_lines(("False", "True"), lambda i: str(i / 8)), {}),
        (_lines(("1E2", "100"), lambda i: str(i / 8)), {}),
        (_lines(("0.0", "1.0"), lambda i: str(i / 8)), {}),
        (_lines(("9007199254740992", "9007199254740993"), lambda i: str(i / 8)), {}),
    ],
    ids=["mark of UTF-8", "truths", "zeros", "dates", "gaps", "false", "False", "1E2", "0.0", "2**53"],
)
def test_the_very_training_file_is_predicted_with_its_labels_as_they_are_written(
    text: str, clean: dict[str, Any], tmp_path: Path, predict: Predict
) -> None:
    (tmp_path / "table.csv").write_text(text)
    model = exported(tmp_path, LINEAR, clean=clean)
    code, out, err = predict(model)
    *found, accuracy = answers_and_accuracy(out)
    given = [line.rsplit(",", 1)[1] for line in text.splitlines()[1:]]
    assert (code, err) == (0, "")
    assert set(found) <= set(given)
    assert accuracy == f"accuracy {np.mean([a == b for a, b in zip(found, given, strict=True)]):.4f}"
    assert accuracy == f"accuracy {model.chosen()[1]:.4f}"


@pytest.mark.parametrize("ending", ["parquet", "npz", "jsonl", "folder"])
def test_every_format_gives_the_same_answers(ending: str, tmp_path: Path, predict: Predict) -> None:
    model = exported(tmp_path, LINEAR)
    frame = pl.read_csv(model.table)
    other = tmp_path / f"table.{ending}"
    if ending == "parquet":
        frame.write_parquet(other)
    elif ending == "jsonl":
        frame.write_ndjson(other)
    elif ending == "folder":
        other.mkdir()
        frame[:30].write_parquet(other / "a.parquet")
        frame[30:].write_parquet(other / "b.parquet")
    else:
        np.savez(
            other, **{name: frame[name].to_numpy().astype(str if name == "kind" else float) for name in frame.columns}
        )
    assert predict(model, file=other) == predict(model)


def test_the_digits_are_predicted_by_their_name(tmp_path: Path, predict: Predict) -> None:
    model = exported(tmp_path, LINEAR, source={"builtin": "digits"}, label=None, clean={})
    _, out, _ = predict(model)
    assert len(answers_and_accuracy(out)) == 1798
    assert answers_and_accuracy(out)[-1] == f"accuracy {model.chosen()[1]:.4f}"


def test_columns_in_another_order_with_others_between_and_without_labels_are_found_by_name(
    tmp_path: Path, predict: Predict
) -> None:
    model = exported(tmp_path, LINEAR)
    frame = pl.read_csv(model.table)
    other = tmp_path / "other.csv"
    frame.select(pl.lit("x").alias("note"), *reversed(frame.columns[:-1])).write_csv(other)
    assert predict(model, file=other)[1].splitlines() == answers_and_accuracy(predict(model)[1])[:-1]
    frame.drop("c2").write_csv(other)
    code, out, err = predict(model, file=other)
    assert (code, out) == (2, "")
    assert 'column "c2" (a column of the model) is not in the data' in err


def test_a_row_that_lacks_a_value_keeps_its_place_and_has_no_prediction(tmp_path: Path, predict: Predict) -> None:
    (tmp_path / "table.csv").write_text(_lines(("no", "yes"), lambda i: str(i / 8)))
    model = exported(tmp_path, LINEAR, clean={"missing": "drop"})
    whole = answers_and_accuracy(predict(model)[1])
    holes = tmp_path / "holes.csv"
    holes.write_text(_lines(("no", "yes"), lambda i: "" if i in (3, 7) else str(i / 8)))
    code, out, err = predict(model, file=holes)
    assert code == 0
    assert answers_and_accuracy(out)[:-1] == ["" if i in (3, 7) else text for i, text in enumerate(whole[:-1])]
    assert "note: 2 rows lack a value, the first in column 'b', line 5, and have no prediction" in err
    document = json.loads(predict(model, "--output", "json", file=holes)[1])
    assert [row["line"] for row in document["predictions"] if row["prediction"] is None] == [5, 9]
    assert len(document["notes"]) == 1
    refusing = tmp_path / "refusing"
    refusing.mkdir()
    (refusing / "table.csv").write_text(_lines(("no", "yes"), lambda i: str(i / 8)))
    code, out, err = predict(exported(refusing, LINEAR, clean={"missing": "fail"}), file=holes)
    assert (code, out) == (2, "")
    assert 'column "b", line 5: no value, which the training refused as well' in err


def test_labels_that_the_model_does_not_know_count_as_wrong_or_are_refused(tmp_path: Path, predict: Predict) -> None:
    (tmp_path / "table.csv").write_text(_lines(("no", "yes"), lambda i: str(i / 8)))
    model = exported(tmp_path, LINEAR, clean={})
    whole = json.loads(predict(model, "--output", "json")[1])
    other = tmp_path / "other.csv"
    rows = model.table.read_text().splitlines()
    other.write_text("\n".join([rows[0], rows[1].replace("no", "never"), rows[2].replace("yes", ""), *rows[3:]]))
    found = json.loads(predict(model, "--output", "json", file=other)[1])
    pairs = [(row["prediction"], row["label"]) for row in whole["predictions"]][2:]
    assert found["metrics"]["accuracy"] == pytest.approx(sum(a == b for a, b in pairs) / 79, abs=1e-5)
    assert found["notes"] == [
        "labels of 1 rows are no classes of the model, and count as wrong: never",
        "1 rows have no label, and do not count",
    ]
    assert [row["label"] for row in found["predictions"]][:3] == ["never", None, "no"]
    other.write_text(_lines(("nein", "ja"), lambda i: str(i / 8)))
    code, out, err = predict(model, file=other)
    assert (code, out) == (2, "")
    assert 'column "kind", line 2: "nein" is no class of the model, and neither is any other label' in err


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("many", 'column "b", line 9: "many" is not a number; correct the value; where it stands for no value'),
        ("1e300", 'column "b", line 9: 1e+300 is too large for float32 after normalizing'),
        ("inf", 'column "b", line 9: "inf" is not finite; correct the value'),
    ],
)
def test_values_that_cannot_be_used_are_refused_with_their_place(
    cell: str, expected: str, tmp_path: Path, predict: Predict
) -> None:
    (tmp_path / "table.csv").write_text(_lines(("no", "yes"), lambda i: str(i / 8)))
    model = exported(tmp_path, LINEAR, clean={})
    other = tmp_path / "other.csv"
    other.write_text(_lines(("no", "yes"), lambda i: cell if i == 7 else str(i / 8)))
    code, out, err = predict(model, file=other)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: data: {str(other)!r}: {expected}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"a,b,kind\n1,2,\xe9\n", "line 2: not UTF-8; save the CSV file as UTF-8"),
        ("a.csv", b"a,a,kind\n1,2,x\n", 'line 1: column "a" is there twice; give every column a name of its own'),
        ("a.csv", b"", "the file is empty; give a CSV file"),
        ("a.parquet", b"PAR1" + bytes(90), "not a readable Parquet file: it is cut off after 94 bytes"),
        ("a.npz", b"PK\3\4" + bytes(90), "not a readable NPZ file: it is cut off after 94 bytes"),
        ("a.jsonl", b'{"a": 1, "b": 2}\n{"a": 1,', "line 2: no JSON ("),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_place(
    name: str, content: bytes, expected: str, tmp_path: Path, predict: Predict
) -> None:
    (tmp_path / "table.csv").write_text(_lines(("no", "yes"), lambda i: str(i / 8)))
    model = exported(tmp_path, LINEAR, clean={})
    (tmp_path / name).write_bytes(content)
    code, out, err = predict(model, file=tmp_path / name)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: data: '{tmp_path}/{name}': {expected}")


def _rename_the_recipe(model: Exported) -> str:
    file = model.directory / "model.json"
    file.write_text(file.read_text().replace('"mlp"', '"unet"'))
    return "the recipe unet is not installed here; use the Wattrain that trained it"


def _age(model: Exported) -> str:
    file = model.directory / "model.json"
    file.write_text(file.read_text().replace('"version": 2', '"version": 1'))
    return "a model of version 1, here version 2 is read; train it again"


def _remove_the_model(model: Exported) -> str:
    (model.directory / "model.json").unlink()
    return "No such file or directory; give the directory of a run that is complete, or its model/"


def _tear_the_weights(model: Exported) -> str:
    file = model.directory / "model.safetensors"
    file.write_bytes(file.read_bytes()[:50])
    return "model.safetensors: damaged"


def _garble_the_preparation(model: Exported) -> str:
    file = model.directory / "prepare.json"
    file.write_text(file.read_text().replace('"scaler"', '"scala"'))
    return "not a model that this Wattrain can read (KeyError: 'scaler'); train it again"


@pytest.mark.parametrize(
    "damage", [_rename_the_recipe, _age, _remove_the_model, _tear_the_weights, _garble_the_preparation]
)
def test_what_is_no_model_is_refused_in_a_sentence(damage: Any, tmp_path: Path, predict: Predict) -> None:
    model = exported(tmp_path, {"name": "mlp"})
    expected = damage(model)
    code, out, err = predict(model)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert expected in err


def test_the_directory_of_the_run_stands_for_its_model(tmp_path: Path, predict: Predict) -> None:
    model = exported(tmp_path, LINEAR)
    assert predict(replace(model, directory=tmp_path)) == predict(model)


def test_a_split_of_data_that_was_prepared_anew_is_refused(tmp_path: Path, predict: Predict) -> None:
    model = exported(tmp_path, LINEAR)
    prepared = tmp_path / "data" / "prepare.json"
    prepared.write_text(prepared.read_text().replace('"kind": "uri"', '"kind": "url"'))
    code, _, err = predict(model, "--split", "test")
    assert code == 2
    assert "not the preparation that the model was trained on" in err


@pytest.mark.parametrize("recipe", ["mlp", "linear-regression"])
@pytest.mark.parametrize("normalize", ["standard", "none"])
def test_predictions_and_their_metrics_are_in_the_unit_of_the_label(
    recipe: str, normalize: str, tmp_path: Path, predict: Predict
) -> None:
    random = np.random.default_rng(6)
    values = random.normal(size=(90, 6)).round(4)
    labels = (1000 + 300 * values[:, 0]).round(2)
    lines = [",".join(map(str, [*row, label])) for row, label in zip(values.tolist(), labels.tolist(), strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["c0,c1,c2,c3,c4,c5,price", *lines, ""]))
    model = exported(tmp_path, {"name": recipe}, label="price", normalize=normalize)
    mean, scale = model.prepared.label_scaling
    code, out, err = predict(model, "--output", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    with torch.inference_mode():
        features = model.prepared.test.features
        expected = model.model.eval()(torch.from_numpy(features.copy()))[:, 0].double().numpy() * scale + mean
    tested = json.loads(predict(model, "--split", "test", "--output", "json")[1])
    assert [row["prediction"] for row in tested["predictions"]] == pytest.approx(expected, rel=1e-5)
    predictions = np.array([row["prediction"] for row in found["predictions"]])
    assert [row["label"] for row in found["predictions"]] == labels.tolist()
    errors = predictions - labels
    assert found["metrics"]["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-4)
    assert found["metrics"]["mse"] == pytest.approx((errors**2).mean(), rel=1e-4)
    explained = 1 - (errors**2).sum() / ((labels - labels.mean()) ** 2).sum()
    assert found["metrics"]["r2"] == pytest.approx(explained, rel=1e-3)
    *numbers, mse, mae, r2 = predict(model)[1].splitlines()
    assert [float(number) for number in numbers] == pytest.approx(predictions)
    assert [line.split()[0] for line in (mse, mae, r2)] == ["mse", "mae", "r2"]


def test_texts_and_gaps_are_answered_as_in_the_training_and_unseen_ones_are_told(
    tmp_path: Path, predict: Predict
) -> None:
    cell = [lambda i: ("red", "green", "NA")[i % 3], lambda i: "" if i % 5 == 0 else str(i / 8)]
    lines = [f"{cell[1](i)},{cell[0](i)},{('no', 'yes')[i * 5 % 7 % 2]}" for i in range(90)]
    (tmp_path / "table.csv").write_text("\n".join(["a,colour,kind", *lines, ""]))
    model = exported(tmp_path, {"name": "mlp"}, clean={"missing": "indicator"})
    assert model.prepared.train.features.shape[1] == 1 + 3 + 1
    code, out, err = predict(model)
    *found, accuracy = answers_and_accuracy(out)
    chosen, right = model.chosen()
    assert (code, err, Counter(found)) == (0, "", chosen)
    assert accuracy == f"accuracy {right:.4f}"
    other = tmp_path / "other.csv"
    other.write_text("a,colour\n1,red\n1,violet\n1,violet\n1,\n")
    code, out, err = predict(model, file=other)
    assert (code, len(out.splitlines())) == (0, 4)
    assert err == (
        "note: 2 rows have a text in column 'colour' that the training rows had not, the first line 3: \"violet\"\n"
    )
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "table.csv").write_text("\n".join(["a,colour,kind", *(line.replace("NA", "blue") for line in lines), ""]))
    _, out, err = predict(exported(whole, {"name": "mlp"}, clean={"missing": "drop"}), file=other)
    assert [bool(line) for line in out.splitlines()] == [True, True, True, False]
    assert "note: 1 rows lack a value, the first in column 'colour', line 5" in err


def test_dates_are_answered_as_in_the_training(tmp_path: Path, predict: Predict) -> None:
    lines = [f"2026-0{1 + i % 9}-1{i % 7},{i % 11},{('no', 'yes')[i * 5 % 7 % 2]}" for i in range(90)]
    (tmp_path / "table.csv").write_text("\n".join(["day,b,kind", *lines, ""]))
    model = exported(tmp_path, {"name": "mlp"}, clean={})
    *found, accuracy = answers_and_accuracy(predict(model)[1])
    chosen, right = model.chosen()
    assert (Counter(found), accuracy) == (chosen, f"accuracy {right:.4f}")


def scores(of: Exported) -> torch.Tensor:
    with torch.inference_mode():
        return of.model.eval()(torch.from_numpy(of.prepared.test.features.copy())).double()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def told(of: Exported, rows: list[dict[str, str]]) -> np.ndarray:
    return np.array([[float(row[f"p_{name}"]) for name in of.prepared.document["classesAsWritten"]] for row in rows])


def test_an_mlp_says_its_softmax_and_logistic_regression_its_sigmoids_scaled_to_one(
    tmp_path: Path, predict: Predict
) -> None:
    for name in ("mlp", "logistic-regression"):
        folder = tmp_path / name
        folder.mkdir()
        of = exported(folder, {"name": name})
        found = told(of, rows_of(predict(of, "--split", "test", "--output", "csv", "--probabilities")[1]))
        z = scores(of)
        expected = z.softmax(1) if name == "mlp" else z.sigmoid() / z.sigmoid().sum(1, keepdim=True)
        assert found == pytest.approx(expected.numpy(), abs=1e-6)
        assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_every_form_says_the_same_and_a_row_without_prediction_has_none(tmp_path: Path, predict: Predict) -> None:
    of = exported(tmp_path, {"name": "mlp"}, clean={"missing": "drop"})
    lines = of.table.read_text().splitlines()
    table = tmp_path / "some.csv"
    table.write_text("\n".join([lines[0], lines[2], lines[1], lines[3]]) + "\n")
    rows = rows_of(predict(of, "--output", "csv", "--probabilities", file=table)[1])
    assert rows[1]["prediction"] == ""  # its row lacks a value
    assert [rows[1][f"p_{name}"] for name in ("low", "middle", "high")] == [""] * 3
    objects = json.loads(predict(of, "--output", "json", "--probabilities", file=table)[1])["predictions"]
    assert objects[1]["probabilities"] is None
    assert objects[0]["probabilities"] == {
        name: float(rows[0][f"p_{name}"]) for name in of.prepared.document["classesAsWritten"]
    }
    text = predict(of, "--probabilities", file=table)[1].splitlines()
    best = max(objects[0]["probabilities"].values())
    assert text[:2] == [f"{objects[0]['prediction']} {best:.6f}", ""]


def test_without_the_option_nothing_is_said_of_them(tmp_path: Path, predict: Predict) -> None:
    of = exported(tmp_path, {"name": "mlp"})
    assert "p_" not in predict(of, "--output", "csv")[1]
    assert "probabilities" not in predict(of, "--output", "json")[1]


def test_a_model_of_numbers_has_none_and_says_so(tmp_path: Path, predict: Predict) -> None:
    of = exported(tmp_path, {"name": "linear-regression"}, label="c0")
    code, out, err = predict(of, "--probabilities")
    assert (code, out) == (2, "")
    assert "chooses no class (regression)" in err
