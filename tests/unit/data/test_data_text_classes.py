"""Texts with classes: what is read, how they are dealt and encoded, and what an initial model must be."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from wattrain_api.data import Split
from wattrain_worker.data.prepared_data import FILE_INITIAL, companions_of
from wattrain_worker.data.row_digests import digests_of
from wattrain_worker.data.split import TRAIN, deal
from wattrain_worker.data.texts.special_tokens import END, PAD, START, UNKNOWN
from wattrain_worker.data.texts.word_pieces import WordPieces, train_word_pieces
from wattrain_worker.errors import BadData, BadSpec, InputMissing

CLASSIFIER: dict[str, Any] = {"name": "bert-classifier", "params": {"layers": 2, "width": 16, "heads": 4}}
TEXT = {"vocabularySize": 300, "sequenceLength": 12}
RIVERS = ["the rhine", "the danube", "the elbe", "the oder", "the main", "the weser"]
ENDS = ["rises in the south", "carries ships", "freezes", "is long", "is deep", "flows north", "meets the sea"]
WET = [f"{river} {end} {n}" for n, river in enumerate(RIVERS) for end in ENDS]
DRY = [f"mount {n} {end}" for n, end in enumerate(["is high", "has snow", "is steep", "is old"] * 12)]
ROWS = [{"text": text, "kind": kind} for kind, texts in (("river", WET), ("mount", DRY)) for text in texts]


def lines(bench: Any, rows: list[dict[str, Any]]) -> Path:
    path: Path = bench.write("".join(json.dumps(row) + "\n" for row in rows), "texts.jsonl")
    return path


def data(**further: Any) -> dict[str, Any]:
    return {"recipe": CLASSIFIER, "text": TEXT, "label": "kind", **further}


def test_each_text_has_the_class_of_its_line_and_is_encoded_between_two_marks(bench: Any) -> None:
    prepared = bench.prepared(lines(bench, [*ROWS, {"text": " "}]), **data())
    assert prepared.classes == ("mount", "river")
    counts = prepared.document["counts"]
    assert (counts["read"], counts["missingDropped"], counts["testAlsoInTraining"]) == (91, 1, 0)
    assert counts["training"] + counts["validation"] + counts["test"] == 90
    tokens = prepared.train.tensors["tokens"]
    assert (tokens[:, 0] == START).all()
    assert ((tokens == END).sum(axis=1) == 1).all()
    assert (tokens[tokens[:, -1] != END][:, -1] == PAD).all()
    known = WordPieces((bench.folder / "prepared" / "tokenizer.json").read_bytes())
    [mount] = known.encode(["mount"])
    assert np.array_equal(prepared.train.labels == 0, (tokens[:, 1 : 1 + len(mount)] == mount).all(axis=1))
    assert prepared.document["labelHistogram"]["train"] == np.bincount(prepared.train.labels).tolist()


def test_whole_numbers_and_truths_are_classes_too(bench: Any) -> None:
    rows = [{"text": row["text"], "kind": 7 if row["kind"] == "river" else 10} for row in ROWS]
    assert bench.prepared(lines(bench, rows), **data()).classes == (7, 10)
    rows = [{**row, "kind": row["kind"] == 7} for row in rows]
    assert bench.prepared(lines(bench, rows), **data()).classes == ("false", "true")


def test_a_folder_is_the_class_of_its_texts(bench: Any) -> None:
    for number, row in enumerate(ROWS):
        path = bench.folder / "folders" / row["kind"] / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(row["text"])
    prepared = bench.prepared(bench.folder / "folders", **data(label=None))
    assert prepared.classes == ("mount", "river")
    assert sum(prepared.document["counts"][name] for name in ("training", "validation", "test")) == 90


def test_equal_texts_are_in_one_split_and_contradictions_are_told(bench: Any) -> None:
    twice = [*ROWS, *ROWS, {**ROWS[0], "kind": "mount"}]
    prepared = bench.prepared(lines(bench, twice), **data(split={"method": "stratified"}))
    assert prepared.document["counts"]["repeats"] == 90
    assert prepared.document["counts"]["testAlsoInTraining"] == 0
    assert "1 texts are those of an earlier one of another class" in " ".join(prepared.document["warnings"])


def test_other_texts_and_labels_in_validation_and_test_change_nothing_of_the_training_split(bench: Any) -> None:
    def is_trained(rows: list[dict[str, Any]]) -> list[bool]:
        nothing = np.zeros(len(rows), np.int64)
        digests = digests_of(row["text"].encode() for row in rows)
        return [number == TRAIN for number in deal(Split(), digests, nothing, nothing, None).tolist()]

    strange = [{"text": f"qx{number}", "kind": "river"} for number in range(40)]
    added = [row for row, trained in zip(strange, is_trained(strange), strict=True) if not trained]
    other = {"river": "mount", "mount": "river"}
    changed = [
        row if trained else {**row, "kind": other[row["kind"]]}
        for row, trained in zip(ROWS, is_trained(ROWS), strict=True)
    ]
    first = bench.prepared(lines(bench, ROWS), "first", **data())
    second = bench.prepared(lines(bench, [*changed, *added]), "second", **data())
    assert len(second.test) + len(second.validation) == len(first.test) + len(first.validation) + len(added)
    assert added
    for name in ("tokenizer.json", "train.safetensors"):
        assert bench.shards("first")[name] == bench.shards("second")[name]


def test_a_text_that_is_too_long_is_cut_and_told(bench: Any) -> None:
    prepared = bench.prepared(lines(bench, [*ROWS, {"text": "snow " * 50, "kind": "mount"}]), **data())
    cut = prepared.document["warnings"][0]
    assert "texts are longer than spec.data.text.sequenceLength, 12 tokens" in cut


@pytest.mark.parametrize(
    ("rows", "label", "expected"),
    [
        ([*ROWS, {"text": "no class"}], "kind", r'texts.jsonl, line 91 has no class \(1 of 91 texts.*write "kind"'),
        ([*ROWS, {"text": "no class", "kind": 1.5}], "kind", "line 91 has no class"),
        (ROWS, None, "line 1 has no class.*spec.data.label"),
        (ROWS[:10], "kind", "all 10 texts have the class 'river'; a training needs texts of two classes"),
    ],
)
def test_texts_without_a_class_are_refused_by_their_place(
    bench: Any, rows: list[dict[str, Any]], label: str | None, expected: str
) -> None:
    error = bench.refusal(lines(bench, rows), **data(label=label))
    assert isinstance(error, BadData)
    assert re.search(expected, str(error))


def bert_model(folder: Path, **params: Any) -> Path:
    """The files of a run of the recipe bert that are read of it."""
    model = folder / "pretrained" / "model"
    model.mkdir(parents=True)
    tokenizer = train_word_pieces(["mountains and rivers, the sea"], 300)
    (model / "tokenizer.json").write_bytes(tokenizer)
    (model / "model.safetensors").write_bytes(save({"norm.weight": np.ones(16, np.float32)}))
    own = {"version": 2, "recipe": "bert", "params": {"layers": 2, "width": 16, "heads": 4, **params}}
    (model / "model.json").write_text(json.dumps(own))
    digest = hashlib.sha256(tokenizer).hexdigest()
    document = {"text": {"sequenceLength": 16}, "files": {"tokenizer.json": {"sha256": digest}}}
    (model / "prepare.json").write_text(json.dumps(document))
    return model.parent


def beginning_with(path: Path, **further: Any) -> dict[str, Any]:
    training = {"epochs": 1, "initialModel": {"path": str(path)}}
    return data(training=training, text={"sequenceLength": 12}) | further


def test_the_tokenizer_and_the_weights_are_those_of_the_initial_model(bench: Any) -> None:
    run = bert_model(bench.folder)
    prepared = bench.prepared(lines(bench, ROWS), **beginning_with(run))
    for name, own in (("tokenizer.json", "tokenizer.json"), (FILE_INITIAL, "model.safetensors")):
        assert (bench.folder / "prepared" / name).read_bytes() == (run / "model" / own).read_bytes()
    assert companions_of(prepared.document) == ["tokenizer.json"], "the old weights do not go with the new model"
    assert (prepared.train.tensors["tokens"] == UNKNOWN).any(), "no token was fitted to these texts"
    assert bench.prepare(lines(bench, ROWS), **beginning_with(run / "model")).was_there is False, "another path"
    before = bench.prepare(lines(bench, ROWS), **beginning_with(run))
    again = bench.prepare(lines(bench, ROWS), **beginning_with(run))
    assert (before.was_there, again.was_there) == (False, True)
    (run / "model" / "model.safetensors").write_bytes(save({"norm.weight": np.zeros(16, np.float32)}))
    assert not bench.prepare(lines(bench, ROWS), **beginning_with(run)).was_there, "other weights"


def test_a_claim_has_the_initial_model_too(bench: Any) -> None:
    run = bert_model(bench.folder / "claims" / "models")
    training = {"epochs": 1, "initialModel": {"claim": {"name": "models", "path": "pretrained"}}}
    bench.prepare(lines(bench, ROWS), **data(training=training, text={"sequenceLength": 12}))
    assert (bench.folder / "prepared" / FILE_INITIAL).read_bytes() == (run / "model/model.safetensors").read_bytes()


@pytest.mark.parametrize("missing", ["model.json", "prepare.json", "tokenizer.json", "model.safetensors"])
def test_an_initial_model_without_one_of_its_files_is_refused(bench: Any, missing: str) -> None:
    run = bert_model(bench.folder)
    (run / "model" / missing).unlink()
    error = bench.refusal(lines(bench, ROWS), **beginning_with(run))
    assert isinstance(error, InputMissing)
    assert str(error).startswith("spec.training.initialModel.path: ")
    assert f"{missing} cannot be read: No such file or directory; give the directory of a run" in str(error)


def test_an_initial_model_that_does_not_fit_is_refused_by_the_field_that_is_to_change(bench: Any) -> None:
    source = lines(bench, ROWS)
    run = bert_model(bench.folder, layers=3)
    error = bench.refusal(source, **beginning_with(run))
    assert isinstance(error, BadSpec)
    assert str(error).startswith("spec.recipe.params.layers: 2, but the initial model in ")
    assert str(error).endswith(" has 3; write 3")
    model = run / "model" / "model.json"
    model.write_text(model.read_text().replace('"layers": 3', '"layers": 2'))
    error = bench.refusal(source, **beginning_with(run, text={"sequenceLength": 32}))
    assert str(error).startswith("spec.data.text.sequenceLength: 32, but the initial model in ")
    model.write_text(model.read_text().replace('"bert"', '"gpt"'))
    assert "has a model of the recipe gpt; give one of the recipe bert" in str(
        bench.refusal(source, **beginning_with(run))
    )


def test_a_damaged_initial_model_is_refused(bench: Any) -> None:
    run = bert_model(bench.folder)
    weights = run / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])
    assert "model.safetensors is damaged" in str(bench.refusal(lines(bench, ROWS), **beginning_with(run)))
    (run / "model" / "tokenizer.json").write_text("{}")
    assert "tokenizer.json is not that of the model" in str(bench.refusal(lines(bench, ROWS), **beginning_with(run)))
