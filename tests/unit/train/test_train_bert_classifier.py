from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from wattrain_worker.data.texts.special_tokens import END, PAD, START
from wattrain_worker.errors import BadSpec
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.recipes.recipe_protocol import BeginsWithModel, TextShape

BERT, CLASSIFIER = find_recipe("bert"), find_recipe("bert-classifier")
SIZE = {"layers": 2, "width": 16, "heads": 4, "dropout": 0}
SHAPE = TextShape(vocabulary=40, sequence_length=12, classes=3)


def classifier(shape: TextShape = SHAPE, **params: Any) -> Any:
    return CLASSIFIER.build_model(shape, CLASSIFIER.parameters(**SIZE | params))


def pretrained(length: int = 12) -> Any:
    torch.manual_seed(1)
    return BERT.build_model(TextShape(vocabulary=40, sequence_length=length), BERT.parameters(**SIZE))


def begin(model: Any, weights: dict[str, Any]) -> None:
    assert isinstance(CLASSIFIER, BeginsWithModel)
    CLASSIFIER.begin_with(model, weights)


def texts() -> Any:
    tokens = torch.randint(5, 40, (4, 12), generator=torch.Generator().manual_seed(2))
    tokens[:, 0], tokens[:, 7], tokens[:, 8:] = START, END, PAD
    return tokens


@pytest.mark.parametrize("length", [12, 20])
def test_it_begins_with_the_states_of_the_model_of_bert_and_with_a_last_layer_of_its_own(length: int) -> None:
    encoder, model = pretrained(length).eval(), classifier().eval()
    last = model.classes.weight.detach().clone()
    begin(model, encoder.state_dict())
    tokens = texts()
    first_part = torch.zeros_like(tokens)
    expected = encoder.pool(encoder.states(tokens, first_part))
    torch.testing.assert_close(model(tokens), model.classes(expected))
    assert torch.equal(model.classes.weight, last)


def test_weights_that_are_missing_or_have_another_shape_are_refused_by_their_name() -> None:
    weights = pretrained().state_dict()
    with pytest.raises(BadSpec, match=re.escape("weight is [41, 16] here, and the initial model has [40, 16]")):
        begin(classifier(TextShape(41, 12, 3)), weights)
    with pytest.raises(BadSpec, match=r"blocks\.2\..* has no such weights; write its layers, width and heads"):
        begin(classifier(layers=3), weights)


def test_what_fills_a_sample_changes_nothing_of_it() -> None:
    model, tokens = classifier().eval(), texts()
    torch.testing.assert_close(model(tokens), model(tokens[:, :8]), rtol=1e-5, atol=1e-6)


def test_metrics_are_those_of_classes() -> None:
    assert CLASSIFIER.metrics == ("accuracy", "balancedAccuracy", "f1", "rocAuc")
    assert CLASSIFIER.sums(3) == 9
    features, labels = CLASSIFIER.make_batch(
        {"tokens": texts(), "labels": torch.tensor([0, 1, 2, 1])}, torch.arange(4), None, CLASSIFIER.parameters()
    )
    found = CLASSIFIER.metrics_of(CLASSIFIER.metric_sums(classifier()(features), labels).tolist(), 4, 1.0)
    assert set(found) == {"accuracy", "balancedAccuracy", "f1"}
