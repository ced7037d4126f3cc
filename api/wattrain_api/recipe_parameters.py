"""What the parameters of recipes have in common. Those of each recipe are in its folder, in the worker, and are copied
into `registered.py` by `make generate`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wattrain_api.base import Model


class RecipeParameters(Model):
    """Base of the parameters of every recipe."""


class ClassifierParameters(RecipeParameters):
    """Base of the parameters of recipes that choose one of several classes."""

    classes: Annotated[int, Field(ge=2, le=1_000_000)] | None = None
    """Number of classes; default: as many as the data has."""
