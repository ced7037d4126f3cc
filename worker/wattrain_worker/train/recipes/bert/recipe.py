"""BERT's encoder, trained to find words that are hidden from it, and to tell whether one part of a text follows
another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from wattrain_api.recipe_parameters import TaskKind
from wattrain_api.training import MetricName
from wattrain_worker.data.texts.special_tokens import END, FIRST_WORD, MASK
from wattrain_worker.train.recipes.bert.parameters import BertParameters
from wattrain_worker.train.recipes.bert_encoder import BertEncoder
from wattrain_worker.train.recipes.drawing import among, uniform, whole
from wattrain_worker.train.recipes.recipe_protocol import Draw, RawSamples, Recipe, TextShape
from wattrain_worker.train.recipes.text_samples import NOT_ASKED, TextSamples, token_losses
from wattrain_worker.train.recipes.transformer_blocks import demand_heads, initialise

_HIDDEN: Final = 0.15
"""Share of a text's tokens that are to be found."""
_MASKED, _REPLACED = 0.8, 0.9
"""Of these, the share that MASK stands for, and that share with those that another word stands for; the others stay."""
_NO_WORD: Final = NOT_ASKED - 1
"""In a label, in place of what is no word, so that it is never hidden."""
_ALWAYS: Final = Draw(seed=0, step=0)
"""What is hidden in an evaluation follows from the sample's number alone."""


class _Encoder(BertEncoder):
    """[samples, 2, tokens] int64, the tokens and which part each is of, to [samples, tokens + 1, vocabulary]: the
    scores of each token; in the last place those of whether the second part follows, of which the first two count."""

    def __init__(self, shape: TextShape, parameters: BertParameters) -> None:
        width = parameters.width
        super().__init__(
            shape.vocabulary,
            shape.sequence_length,
            layers=parameters.layers,
            width=width,
            heads=parameters.heads,
            dropout=parameters.dropout,
        )
        self.vocabulary = shape.vocabulary
        self.word = nn.Sequential(nn.Linear(width, width), nn.GELU(approximate="tanh"), nn.LayerNorm(width))
        self.word_bias = nn.Parameter(torch.zeros(shape.vocabulary))
        self.pooled, self.follows = nn.Linear(width, width), nn.Linear(width, 2)
        initialise(self, parameters.layers)

    def forward(self, features: Tensor) -> Tensor:
        given, words = features[:, 0], self.vocabulary - FIRST_WORD
        tokens = torch.where(given < 0, FIRST_WORD + among(-1 - given, words), given)
        states = self.states(tokens, features[:, 1])
        scores = F.linear(self.word(states), self.embedding.weight, self.word_bias)
        follows = self.follows(self.pool(states))
        return torch.cat([scores, F.pad(follows, (0, self.vocabulary - 2))[:, None]], dim=1)


class Bert(TextSamples):
    """The recipe `bert`. Labels are [samples, tokens + 1] int64: the hidden tokens, and whether the second part
    follows."""

    parameters = BertParameters
    task: TaskKind = "masked-language-modeling"
    metrics: tuple[MetricName, ...] = ("maskedAccuracy", "nextSentenceAccuracy")

    def build_model(self, shape: TextShape, parameters: BertParameters) -> nn.Module:
        """tokens -> width -> ... -> width -> vocabulary, and two scores a sample."""
        demand_heads(parameters.width, parameters.heads)
        return _Encoder(shape, parameters)

    def make_batch(
        self, raw: RawSamples, samples: Tensor, draw: Draw | None, parameters: BertParameters
    ) -> tuple[Tensor, Tensor]:
        """Pairs with hidden tokens, drawn anew in each step of a training."""
        tokens = raw["tokens"].long()
        drawn = uniform(draw or _ALWAYS, samples, 3 * tokens.shape[1]).view(len(tokens), 3, tokens.shape[1])
        is_word = tokens >= FIRST_WORD
        is_hidden = is_word & (drawn[:, 0] < _HIDDEN)
        other = torch.where(drawn[:, 1] < _REPLACED, -1 - whole(drawn[:, 2]), tokens)
        other = torch.where(drawn[:, 1] < _MASKED, MASK, other)
        features = torch.stack([torch.where(is_hidden, other, tokens), raw["second"].long()], dim=1)
        labels = torch.where(is_hidden, tokens, torch.where(is_word, NOT_ASKED, _NO_WORD))
        return features, torch.cat([labels, raw["follows"].long()[:, None]], dim=1)

    def example_batch(self, shape: TextShape, samples: int) -> tuple[Tensor, Tensor]:
        """Ends of sentences, none of which is hidden."""
        length = shape.sequence_length
        tokens, part = torch.full((samples, length), END), torch.zeros(samples, length, dtype=torch.int64)
        return torch.stack([tokens, part], 1), torch.zeros(samples, length + 1, dtype=torch.int64)

    def loss_sum(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """-log softmax(outputs)[token], summed over the hidden tokens of each sample and divided by how many of its
        words are hidden in the mean, and the same of whether the second part follows, summed over samples.

        Divided by how many are hidden in this step, a token would count the less the more are hidden beside it, and a
        step would learn from fewer tokens. BERT's own mean over a whole batch is no sum over samples."""
        wanted = labels[:, :-1]
        losses, _ = token_losses(outputs[:, :-1], wanted.clamp(min=NOT_ASKED))
        words = (wanted != _NO_WORD).sum(dim=1)
        of_words = (losses.sum(dim=1) / (_HIDDEN * words.clamp(min=1))).sum()
        return of_words + F.cross_entropy(outputs[:, -1, :2].float(), labels[:, -1], reduction="sum")

    def metric_sums(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """How many hidden tokens are found, how many there are, and of how many samples it is told whether the second
        part follows."""
        hidden = labels[:, :-1] >= 0
        found = (outputs[:, :-1].argmax(dim=2) == labels[:, :-1]) & hidden
        told = outputs[:, -1, :2].argmax(dim=1) == labels[:, -1]
        return torch.stack([found.sum(), hidden.sum(), told.sum()]).double()

    def metrics_of(self, sums: Sequence[float], samples: int, label_scale: float) -> dict[MetricName, float]:
        """Shares of the hidden tokens, and of the samples."""
        found, hidden, told = sums
        metrics: dict[MetricName, float] = {"maskedAccuracy": found / hidden} if hidden else {}
        return metrics | {"nextSentenceAccuracy": told / samples}


RECIPE: Final[Recipe[BertParameters, TextShape]] = Bert()
