"""A classifier of texts: BERT's encoder, which a training of the recipe bert may have made, and a linear layer on what
stands for the whole text, as in section 4.1 of the article that bert_encoder.py names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from wattrain_worker.data.texts.special_tokens import END
from wattrain_worker.errors import BadSpec
from wattrain_worker.train.recipes.bert_classifier.parameters import BertClassifierParameters
from wattrain_worker.train.recipes.bert_encoder import BertEncoder
from wattrain_worker.train.recipes.classifier import ClassMetrics
from wattrain_worker.train.recipes.recipe_protocol import Draw, RawSamples, Recipe, TextShape
from wattrain_worker.train.recipes.text_samples import TextSamples
from wattrain_worker.train.recipes.transformer_blocks import demand_heads, initialise

_CLASSES: Final = "classes"
_POSITIONS: Final = "positions.weight"


class _Classifier(BertEncoder):
    """[samples, tokens] int64 to [samples, classes]."""

    def __init__(self, shape: TextShape, parameters: BertClassifierParameters) -> None:
        width = parameters.width
        super().__init__(
            shape.vocabulary,
            shape.sequence_length,
            layers=parameters.layers,
            width=width,
            heads=parameters.heads,
            dropout=parameters.dropout,
        )
        self.pooled, self.classes = nn.Linear(width, width), nn.Linear(width, shape.classes)
        initialise(self, parameters.layers)

    def forward(self, tokens: Tensor) -> Tensor:
        scores: Tensor = self.classes(self.dropout(self.pool(self.states(tokens, torch.zeros_like(tokens)))))
        return scores


class BertClassifier(ClassMetrics, TextSamples):
    """The recipe `bert-classifier`."""

    parameters = BertClassifierParameters

    def build_model(self, shape: TextShape, parameters: BertClassifierParameters) -> nn.Module:
        """tokens -> width -> ... -> width -> classes."""
        demand_heads(parameters.width, parameters.heads)
        return _Classifier(shape, parameters)

    def begin_with(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """All but the last layer is that of a model of bert, of whose positions as many are taken as texts have."""
        for name, own in model.state_dict().items():  # which shares its memory with the model
            if name.startswith(_CLASSES):
                continue
            given = weights.get(name)
            if given is not None and name == _POSITIONS:
                given = given[: len(own)]
            if given is None or given.shape != own.shape:
                found = "no such weights" if given is None else f"{list(given.shape)}"
                raise BadSpec(
                    f"spec.training.initialModel: {name} is {list(own.shape)} here, and the initial model has {found}; "
                    "write its layers, width and heads into spec.recipe.params"
                )
            own.copy_(given)

    def make_batch(
        self, raw: RawSamples, samples: Tensor, draw: Draw | None, parameters: BertClassifierParameters
    ) -> tuple[Tensor, Tensor]:
        """The tokens and the labels as they are."""
        return raw["tokens"].long(), raw["labels"].long()

    def example_shape(self) -> TextShape:
        """What a job has that says nothing of it, with two classes."""
        return TextShape(vocabulary=4096, sequence_length=128, classes=2)

    def example_batch(self, shape: TextShape, samples: int) -> tuple[Tensor, Tensor]:
        """Ends of sentences, of the first class."""
        return torch.full((samples, shape.sequence_length), END), torch.zeros(samples, dtype=torch.int64)

    def loss_sum(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """-log softmax(outputs)[label], summed over samples."""
        return F.cross_entropy(outputs.float(), labels, reduction="sum")


RECIPE: Final[Recipe[BertClassifierParameters, TextShape]] = BertClassifier()
