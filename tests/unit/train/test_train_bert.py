from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from wattrain_worker.data.texts.sentence_pairs import pairs_of
from wattrain_worker.data.texts.special_tokens import FIRST_WORD, MASK, PAD
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.recipes.recipe_protocol import Draw, TextShape

BERT = find_recipe("bert")
SHAPE = TextShape(vocabulary=40, sequence_length=64)
PARAMETERS = BERT.parameters(layers=2, width=16, heads=4, dropout=0)
LENGTH = 64


def raw(samples: int = 50) -> dict[str, Tensor]:
    random = np.random.default_rng(0)
    documents = [[random.integers(FIRST_WORD, 40, 14).astype(np.uint16) for _ in range(4)] for _ in range(samples)]
    return {name: torch.from_numpy(each) for name, each in pairs_of(documents, LENGTH, seed=0).tensors.items()}


def batch(draw: Draw | None, rows: slice = slice(None)) -> tuple[Any, Any]:
    chosen = {name: each[rows] for name, each in raw().items()}
    return BERT.make_batch(chosen, torch.arange(50)[rows], draw, PARAMETERS)


def test_of_the_words_an_eighth_or_so_is_hidden_by_a_mask_another_word_or_itself() -> None:
    features, labels = batch(Draw(1, 2))
    tokens, hidden = raw()["tokens"].long(), labels[:, :-1] >= 0
    words = tokens >= FIRST_WORD
    assert not (hidden & ~words).any()
    assert 0.12 < hidden.sum() / words.sum() < 0.18
    assert torch.equal(labels[:, :-1][hidden], tokens[hidden])
    given = features[:, 0]
    assert torch.equal(given[~hidden], tokens[~hidden])
    shares = [(given[hidden] == MASK), (given[hidden] < 0), (given[hidden] == tokens[hidden])]
    assert [round(float(share.float().mean()), 1) for share in shares] == [0.8, 0.1, 0.1]


def test_what_is_hidden_follows_from_step_and_sample_and_in_an_evaluation_from_the_sample_alone() -> None:
    features, labels = batch(Draw(1, 2))
    alone, alone_labels = batch(Draw(1, 2), slice(7, 9))
    assert torch.equal(alone, features[7:9])
    assert torch.equal(alone_labels, labels[7:9])
    assert not torch.equal(batch(Draw(1, 3))[1], labels)
    assert torch.equal(batch(None)[1], batch(None)[1])


def test_what_fills_a_sample_changes_nothing_of_it() -> None:
    torch.manual_seed(0)
    model = BERT.build_model(SHAPE, PARAMETERS).eval()
    features, _ = batch(None, slice(0, 3))
    assert (features[:, 0, -1] == PAD).all()
    shorter = features[:, :, : int((features[:, 0] != PAD).sum(1).max())]
    whole, cut = model(features), model(shorter)
    torch.testing.assert_close(whole[:, : cut.shape[1] - 1], cut[:, :-1], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(whole[:, -1], cut[:, -1], rtol=1e-5, atol=1e-6)


def test_the_loss_is_that_of_hidden_words_and_of_what_follows_and_none_without_samples() -> None:
    labels = torch.tensor([[5, -1, 6, 1], [-1, -1, -1, 0]])
    outputs = torch.zeros(2, 4, 40)
    expected = 2 * math.log(40) / (0.15 * 3) + 2 * math.log(2)
    assert float(BERT.loss_sum(outputs, labels)) == pytest.approx(expected)
    assert float(BERT.loss_sum(outputs[:0], labels[:0])) == 0
    outputs[0, 0, 5] = outputs[0, 2, 7] = outputs[0, 3, 1] = outputs[1, 3, 1] = 1
    sums = BERT.metric_sums(outputs, labels).tolist()
    assert BERT.metrics_of(sums, 2, 1.0) == {"maskedAccuracy": 0.5, "nextSentenceAccuracy": 0.5}
    assert BERT.metrics_of([0, 0, 1], 1, 1.0) == {"nextSentenceAccuracy": 1.0}


def test_each_hidden_word_counts_as_much_however_many_are_hidden_beside_it_and_what_fills_a_sample_counts_nothing() -> (
    None
):
    outputs = torch.zeros(1, 11, 40)

    def of_words(*labels: int) -> float:
        return float(BERT.loss_sum(outputs, torch.tensor([[*labels, 0]]))) - math.log(2)

    one, three = of_words(5, *[-1] * 9), of_words(5, 6, 7, *[-1] * 7)
    assert one == pytest.approx(math.log(40) / 1.5)
    assert three == pytest.approx(3 * one)
    assert of_words(5, *[-1] * 4, *[-2] * 5) == pytest.approx(2 * one), "half as many words: each counts twice"
    _, labels = batch(Draw(1, 2))
    assert torch.equal(labels[:, :-1] != -2, raw()["tokens"].long() >= FIRST_WORD)


def test_a_part_of_a_batch_without_samples_goes_through_the_model() -> None:
    features, labels = batch(Draw(0, 0), slice(0, 0))
    model = BERT.build_model(SHAPE, PARAMETERS).train()
    loss = BERT.loss_sum(model(features), labels)
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads that wait for each other spin, which other load makes many times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_what_follows_can_be_learnt_where_the_texts_tell_it() -> None:
    """Each text has a subject, one word of six, which both of its sentences name twice."""
    subjects, words, samples, length = 6, 10, 800, 12

    def pairs(seed: int, count: int) -> dict[str, Tensor]:
        random = np.random.default_rng(seed)
        documents = random.integers(FIRST_WORD + subjects, FIRST_WORD + subjects + words, (count, 2, 3))
        documents[:, :, :2] = random.integers(FIRST_WORD, FIRST_WORD + subjects, (count, 1, 1))
        shard = pairs_of([list(document) for document in documents.astype(np.uint16)], length, seed)
        return {name: torch.from_numpy(values) for name, values in shard.tensors.items()}

    parameters = BERT.parameters(layers=1, width=16, heads=4, dropout=0)
    torch.manual_seed(0)
    model = BERT.build_model(TextShape(FIRST_WORD + subjects + words, length), parameters)
    optimizer, trained = torch.optim.AdamW(model.parameters(), lr=0.005), pairs(1, samples)
    order = torch.Generator().manual_seed(3)
    for step in range(300):
        rows = torch.randint(samples, (32,), generator=order)
        raw = {name: values[rows] for name, values in trained.items()}
        features, labels = BERT.make_batch(raw, rows, Draw(0, step), parameters)
        optimizer.zero_grad()
        (BERT.loss_sum(model(features), labels) / len(rows)).backward()
        optimizer.step()
    features, labels = BERT.make_batch(pairs(2, 400), torch.arange(400), None, parameters)
    with torch.inference_mode():
        sums = BERT.metric_sums(model.eval()(features), labels)
    assert BERT.metrics_of(sums.tolist(), 400, 1.0)["nextSentenceAccuracy"] > 0.8  # chance is 0.57
