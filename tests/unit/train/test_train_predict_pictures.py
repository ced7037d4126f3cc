"""What a model predicts of pictures: those of the training, a folder, a tar, one, and what is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.images.picture_decoding import decoded
from wattrain_worker.data.prepare import prepare
from wattrain_worker.data.prepared_data import load_prepared
from wattrain_worker.predict.__main__ import main
from wattrain_worker.train.export import Choice, export_model
from wattrain_worker.train.exported import load_exported
from wattrain_worker.train.rank_environment import read_environment
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.sample_shapes import shape_of

CLASSES = ("dark", "light", "mixed")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose model has random weights, and beside it the pictures of its data."""
    folder = tmp_path_factory.mktemp("run")
    random = np.random.default_rng(3)
    for number in range(45):
        path = folder / "pictures" / CLASSES[number % 3] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    document = {
        "recipe": {"name": "resnet", "params": {"norm": "group", "stem": "standard"}},
        "data": {"source": {"uri": str(folder / "pictures")}, "image": {"size": 32}},
        "training": {"epochs": 1},
    }
    (folder / "spec.json").write_text(json.dumps(document))
    directories = {
        names.ENV_DATA_DIR: "data", names.ENV_CHECKPOINT_DIR: "checkpoints", names.ENV_MODEL_DIR: "model",
        names.ENV_SPEC: "spec.json",
    }  # fmt: skip
    environment = read_environment({name: str(folder / path) for name, path in directories.items()})
    spec = TrainingJobSpec.model_validate(document)
    prepare(spec, environment.data_dir)
    prepared, recipe = load_prepared(environment.data_dir), find_recipe("resnet")
    torch.manual_seed(2)
    model = recipe.build_model(shape_of(prepared.document, None), spec.recipe.params)  # type: ignore[union-attr]
    export_model(environment, model.state_dict(), prepared, Choice(1), None)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small models are slowed down by threads, very much so beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def predict(run: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """The JSON that the command answers with."""

    def predict(*arguments: str) -> Any:
        code = main([str(run), *arguments, "--output=json"])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return json.loads(out)

    return predict


def test_a_folder_is_predicted_file_by_file_with_its_accuracy(run: Path, predict: Any) -> None:
    answer = predict("--file", str(run / "pictures"))
    model = load_exported(run / "model")
    files = sorted((run / "pictures").rglob("*.png"))
    outputs = model.outputs(np.stack([decoded(file.read_bytes(), 32) for file in files]))
    found = {each["file"]: (each["prediction"], each["label"]) for each in answer["predictions"]}
    assert found == {
        f"{file.parent.name}/{file.name}": (chosen, file.parent.name)
        for file, chosen in zip(files, model.answers(outputs), strict=True)
    }
    right = sum(prediction == label for prediction, label in found.values())
    assert answer["metrics"]["accuracy"] == pytest.approx(right / 45, abs=1e-5)
    assert answer["notes"] == []


def test_the_same_picture_is_predicted_the_same_alone_in_a_folder_and_in_a_split(run: Path, predict: Any) -> None:
    alone = predict("--file", str(run / "pictures" / "light" / "01.png"))
    assert alone["predictions"] == [{"file": "01.png", "prediction": alone["predictions"][0]["prediction"]}]
    assert alone["metrics"] == {}
    whole = {each["file"]: each["prediction"] for each in predict("--file", str(run / "pictures"))["predictions"]}
    assert whole["light/01.png"] == alone["predictions"][0]["prediction"]
    splits = [each for split in ("train", "validation", "test") for each in predict("--split", split)["predictions"]]
    assert sorted((each["label"], each["prediction"]) for each in splits) == sorted(
        (name.split("/")[0], chosen) for name, chosen in whole.items()
    )


def test_what_cannot_be_read_has_no_prediction_and_other_folders_no_accuracy(
    run: Path, tmp_path: Path, predict: Any
) -> None:
    for name in ("sea/a.png", "town/b.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes((run / "pictures" / "dark" / "00.png").read_bytes())
    (tmp_path / "sea" / "bad.png").write_bytes(b"no picture")
    answer = predict("--file", str(tmp_path))
    assert [each["prediction"] is None for each in answer["predictions"]] == [False, True, False]
    assert answer["metrics"] == {}
    assert answer["notes"] == [
        "no folder or .cls file has the name of a class of the model, such as 'sea': no accuracy",
        "1 files are no pictures that can be read, and have no prediction: sea/bad.png (it is of no known format)",
    ]
    (tmp_path / "town").rename(tmp_path / "light")
    answer = predict("--file", str(tmp_path))
    assert answer["metrics"]["accuracy"] in (0, 0.5)
    assert answer["notes"][0] == "labels of 2 pictures are no classes of the model, and count as wrong: sea"


def test_a_table_is_no_picture(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    assert main([str(run), "--file", str(tmp_path / "a.csv")]) == 2
    assert "is a picture, such as 'a.csv'; give files that end in .jpg" in capsys.readouterr().err


def test_pictures_of_which_none_can_be_read_are_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = (run / "pictures" / "dark" / "00.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(picture[: len(picture) // 2])
    assert main([str(run), "--file", str(tmp_path / "cut.png")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: data: '{tmp_path}/cut.png': no file is a picture that can be read: cut.png (")
    assert told.endswith("; give whole pictures\n")
