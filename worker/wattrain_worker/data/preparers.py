"""How samples of each kind are prepared: one function a kind. `preparer.py` says what such a function is."""

from __future__ import annotations

from wattrain_api.recipe_parameters import SampleKind
from wattrain_worker.data.preparer import Prepare
from wattrain_worker.errors import BadSpec


def find_preparer(kind: SampleKind, recipe: str) -> Prepare:
    """What prepares the samples of the recipe called `recipe`. Each is imported only where it is needed: some need
    packages that others do without."""
    if kind == "table":
        from wattrain_worker.data.prepare_table import prepare_table

        return prepare_table
    if kind == "image":
        try:
            from wattrain_worker.data.images.prepare_images import prepare_images
        except ImportError as error:
            raise BadSpec(
                f"spec.recipe.name: {recipe} needs pillow, which reads pictures ({error}); pip install "
                "'wattrain[images]', or take a worker image that has it"
            ) from error
        return prepare_images
    if kind == "text":
        try:
            from wattrain_worker.data.texts.prepare_text import prepare_text
        except ImportError as error:
            raise BadSpec(
                f"spec.recipe.name: {recipe} needs tokenizers, which cuts texts ({error}); pip install "
                "'wattrain[text]', or take a worker image that has it"
            ) from error
        return prepare_text
    if kind == "interactions":
        from wattrain_worker.data.interactions.prepare_interactions import prepare_interactions

        return prepare_interactions
    raise BadSpec(
        f"spec.recipe.name: {recipe} needs samples of the kind {kind}, which this version does not prepare; choose a "
        "recipe for tables"
    )
