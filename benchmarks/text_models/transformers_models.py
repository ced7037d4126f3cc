"""GPT-2 and BERT of the package transformers in a bare loop: its initial weights, torch's AdamW and clipping, batches
that torch shuffles. Of Wattrain it has the prepared files, and the questions of BERT's evaluation."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForPreTraining,
    GPT2Config,
    GPT2LMHeadModel,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

from wattrain_api.registered import BertParameters, GptParameters
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepared_data import Shard, load_prepared
from wattrain_worker.data.texts.special_tokens import FIRST_WORD, MASK, PAD
from wattrain_worker.data.texts.windows import NO_TOKEN
from wattrain_worker.train.recipes.bert.recipe import RECIPE as BERT
from wattrain_worker.train.recipes.drawing import among

_IGNORED: Final = -100
_HIDDEN: Final = 0.15
_SCHEDULES: Final = {"cosine": get_cosine_schedule_with_warmup, "linear": get_linear_schedule_with_warmup}


class _Size(NamedTuple):
    vocabulary: int
    length: int
    layers: int
    width: int
    heads: int


class _Trained(Protocol):
    model: nn.Module

    def loss(self, raw: dict[str, Tensor]) -> Tensor:
        """The mean of a batch."""

    def metrics(self, raw: dict[str, Tensor]) -> dict[str, float]:
        """Of a whole split."""


def trained(data: Path, spec: TrainingJobSpec) -> dict[str, dict[str, float]]:
    """Metrics of the validation and the test split, by their names."""
    recipe, training = spec.recipe, spec.training
    if recipe is None or training is None or spec.data is None or training.max_steps is None:
        raise ValueError("a job with recipe, data and training.maxSteps")
    torch.manual_seed(training.seed)
    torch.set_num_threads(1)
    prepared = load_prepared(data)
    params, optimizer = recipe.params, training.optimizer
    length = spec.data.text.sequence_length
    if not isinstance(params, GptParameters | BertParameters):
        raise ValueError("a job with the recipe gpt or bert")
    size = _Size(int(prepared.document["vocabulary"]), length, params.layers, params.width, params.heads)
    subject: _Trained = _Gpt2(size) if recipe.name == "gpt" else _Bert(size)
    weights = list(subject.model.parameters())
    adamw = torch.optim.AdamW(
        weights, optimizer.lr, (optimizer.beta1, optimizer.beta2), weight_decay=optimizer.weight_decay
    )
    steps = training.max_steps
    rates = _SCHEDULES[training.schedule.name](adamw, training.schedule.warmup_steps or 0, steps)
    train = _tensors(prepared.train)
    subject.model.train()
    for rows in islice(_batches(len(prepared.train), training.batch_size), steps):
        adamw.zero_grad()
        torch.autograd.backward(subject.loss({name: values[rows] for name, values in train.items()}))
        if optimizer.clip_gradient_norm is not None:
            nn.utils.clip_grad_norm_(weights, optimizer.clip_gradient_norm)
        adamw.step()
        rates.step()
    subject.model.eval()
    with torch.inference_mode():
        splits = {"validation": prepared.validation, "test": prepared.test}
        return {split: subject.metrics(_tensors(shard)) for split, shard in splits.items()}


def _batches(rows: int, size: int) -> Any:
    while True:
        yield from torch.randperm(rows).split(size)


def _tensors(shard: Shard) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values.astype("int64")) for name, values in shard.tensors.items()}


class _Gpt2:
    def __init__(self, size: _Size) -> None:
        config = GPT2Config(
            vocab_size=size.vocabulary,
            n_positions=size.length,
            n_embd=size.width,
            n_layer=size.layers,
            n_head=size.heads,
            resid_pdrop=0,
            embd_pdrop=0,
            attn_pdrop=0,
            use_cache=False,
            bos_token_id=None,
            eos_token_id=None,
        )
        self.model = GPT2LMHeadModel(config)

    def loss(self, raw: dict[str, Tensor]) -> Tensor:
        tokens = raw["tokens"]
        following = torch.where(tokens[:, 1:] == NO_TOKEN, _IGNORED, tokens[:, 1:])
        given = torch.where(tokens[:, :-1] == NO_TOKEN, 0, tokens[:, :-1])
        scores = self.model(input_ids=given).logits
        return F.cross_entropy(scores.flatten(0, 1), following.flatten(), ignore_index=_IGNORED)

    def metrics(self, raw: dict[str, Tensor]) -> dict[str, float]:
        nats = 0.0
        for tokens in raw["tokens"].split(64):
            predicted = (tokens[:, 1:] != NO_TOKEN).sum().item()
            nats += self.loss({"tokens": tokens}).item() * predicted
        return {"bitsPerByte": nats / math.log(2) / raw["bytes"].sum().item()}


class _Bert:
    def __init__(self, size: _Size) -> None:
        config = BertConfig(
            vocab_size=size.vocabulary,
            max_position_embeddings=size.length,
            hidden_size=size.width,
            intermediate_size=4 * size.width,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            hidden_dropout_prob=0,
            attention_probs_dropout_prob=0,
            pad_token_id=PAD,
        )
        self.model, self._vocabulary = BertForPreTraining(config), size.vocabulary

    def loss(self, raw: dict[str, Tensor]) -> Tensor:
        """Of tokens that torch hides anew in each batch."""
        tokens = raw["tokens"]
        chosen = (torch.rand(tokens.shape) < _HIDDEN) & (tokens >= FIRST_WORD)
        how = torch.rand(tokens.shape)
        given = torch.where(chosen & (how < 0.8), MASK, tokens)
        other = torch.randint(FIRST_WORD, self._vocabulary, tokens.shape)
        given = torch.where(chosen & (how >= 0.8) & (how < 0.9), other, given)
        asked = torch.where(chosen, tokens, _IGNORED)
        found: Tensor = self._asked(given, raw["second"], labels=asked, next_sentence_label=raw["follows"]).loss
        return found

    def metrics(self, raw: dict[str, Tensor]) -> dict[str, float]:
        """Of the tokens that Wattrain hides in an evaluation."""
        rows = len(raw["tokens"])
        features, labels = BERT.make_batch(raw, torch.arange(rows), None, BERT.parameters())
        tokens, hidden = features[:, 0], labels[:, :-1] >= 0
        given = torch.where(tokens < 0, FIRST_WORD + among(-1 - tokens, self._vocabulary - FIRST_WORD), tokens)
        found = told = 0
        for some in torch.arange(rows).split(64):
            outputs = self._asked(given[some], raw["second"][some])
            is_right = outputs.prediction_logits.argmax(2) == labels[some, :-1]
            found += int((is_right & hidden[some]).sum())
            told += int((outputs.seq_relationship_logits.argmax(1) == raw["follows"][some]).sum())
        return {"maskedAccuracy": found / int(hidden.sum()), "nextSentenceAccuracy": told / rows}

    def _asked(self, tokens: Tensor, second: Tensor, **labels: Tensor) -> Any:
        return self.model(input_ids=tokens, token_type_ids=second, attention_mask=(tokens != PAD).long(), **labels)
