"""The model that a training begins with: one of the recipe bert, as its training exported it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.numpy import load

from wattrain_api.names import FILE_MODEL, FILE_PREPARE, FILE_WEIGHTS
from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepared_data import MODEL_VERSION
from wattrain_worker.data.sources import path_on_claim
from wattrain_worker.data.texts.byte_pairs import FILE_TOKENIZER
from wattrain_worker.errors import BadData, BadSpec, InputMissing

_FIELD: Final = "spec.training.initialModel"
_RECIPE: Final = "bert"
_SAME: Final = ("layers", "width", "heads")
"""Parameters of the recipe that the weights depend on."""


@dataclass(frozen=True)
class InitialModel:
    """What a training takes of it."""

    tokenizer: bytes
    """tokenizer.json"""
    weights: bytes
    """model.safetensors"""

    @property
    def sha256(self) -> str:
        """Of both."""
        return hashlib.sha256(hashlib.sha256(self.tokenizer).digest() + self.weights).hexdigest()


def read_initial_model(spec: TrainingJobSpec, length: int, claims_dir: Path) -> InitialModel | None:
    """The model that `spec` names, for texts of `length` tokens; None: it names none. InputMissing where a file is
    missing, BadData where one is damaged, BadSpec where the weights do not fit what is to be trained."""
    initial = spec.training.initial_model if spec.training is not None else None
    if initial is None:
        return None
    on_claim = initial.claim is not None
    given = path_on_claim(initial.claim, claims_dir, f"{_FIELD}.claim") if initial.claim else Path(initial.path or "")
    field = f"{_FIELD}.{'claim.path' if on_claim else 'path'}"
    directory = given if (given / FILE_MODEL).exists() else given / "model"
    model, document = (_object(directory / name, field) for name in (FILE_MODEL, FILE_PREPARE))
    if model.get("version") != MODEL_VERSION:
        raise BadData(
            f"{field}: {directory} has a model of version {model.get('version')!r}, here version {MODEL_VERSION} is "
            "read; train it again with this Wattrain"
        )
    if model.get("recipe") != _RECIPE:
        raise BadSpec(
            f"{field}: {directory} has a model of the recipe {model.get('recipe')}; give one of the recipe {_RECIPE}"
        )
    tokenizer = _content(directory / FILE_TOKENIZER, field)
    try:
        _demand_that_it_fits(spec, model["params"], directory)
        positions, listed = document["text"]["sequenceLength"], document["files"][FILE_TOKENIZER]["sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadData(f"{field}: {directory} has no model that can be read ({error!r}); copy it again") from error
    if length > positions:
        raise BadSpec(
            f"spec.data.text.sequenceLength: {length}, but the initial model in {directory} was trained on texts of "
            f"{positions} tokens; write at most {positions}"
        )
    if hashlib.sha256(tokenizer).hexdigest() != listed:
        raise BadData(f"{field}: {directory / FILE_TOKENIZER} is not that of the model; copy the whole directory again")
    return InitialModel(tokenizer, _weights(directory / FILE_WEIGHTS, field))


def _demand_that_it_fits(spec: TrainingJobSpec, params: dict[str, Any], directory: Path) -> None:
    trained = RECIPE_PARAMETERS[_RECIPE].model_validate(params)
    wanted = spec.recipe.params if spec.recipe is not None else None
    for name in _SAME:
        theirs, ours = getattr(trained, name), getattr(wanted, name)
        if theirs != ours:
            raise BadSpec(
                f"spec.recipe.params.{name}: {ours}, but the initial model in {directory} has {theirs}; write {theirs}"
            )


def _weights(path: Path, field: str) -> bytes:
    content = _content(path, field)
    try:
        load(content)
    except SafetensorError as error:
        raise BadData(f"{field}: {path} is damaged ({error}); copy it again") from error
    return content


def _object(path: Path, field: str) -> dict[str, Any]:
    try:
        found = json.loads(_content(path, field))
    except ValueError as error:
        raise BadData(f"{field}: {path} is no JSON ({error}); copy it again") from error
    if not isinstance(found, dict):
        raise BadData(f"{field}: {path} has no JSON object; copy it again")
    return found


def _content(path: Path, field: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputMissing(
            f"{field}: {path} cannot be read: {error.strerror}; give the directory of a run of the recipe {_RECIPE} "
            "that is complete, or model/ in it"
        ) from error
