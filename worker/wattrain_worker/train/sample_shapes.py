"""The shape of samples, from what prepare.json says of them: a model is built for it, in training and in use alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattrain_api.recipe_parameters import ClassifierParameters, RecipeParameters
from wattrain_worker.data.features import fitted_from_json
from wattrain_worker.data.prepared_data import samples_of, task_of
from wattrain_worker.train.recipes.recipe_protocol import (
    ImageShape,
    InteractionsShape,
    Shape,
    TableShape,
    TextShape,
)


def shape_of(document: Mapping[str, Any], classes: int | None) -> Shape:
    """The shape of the samples of `document`, a prepare.json. `classes`: what the job asks for, where it asks."""
    number = 1 if task_of(document) == "regression" else classes or len(document.get("classes", ()))
    if samples_of(document) == "image":
        pixels = document["pixels"]
        return ImageShape(document["image"]["size"], number, tuple(pixels["mean"]), tuple(pixels["deviation"]))
    if samples_of(document) == "text":
        return TextShape(document["vocabulary"], document["text"]["sequenceLength"], number)
    if samples_of(document) == "interactions":
        return InteractionsShape(len(document["users"]), len(document["items"]) + 1)
    return TableShape(len(fitted_from_json(document).origins), number)


def wanted_classes(parameters: RecipeParameters) -> int | None:
    """How many classes the job asks for; None: as many as the data has."""
    return parameters.classes if isinstance(parameters, ClassifierParameters) else None
