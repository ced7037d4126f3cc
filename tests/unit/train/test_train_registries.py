"""What the folder of a recipe lacks is said by name when it is registered."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wattrain_worker.train import recipes, registries

HEAD = """from typing import Annotated, Literal

from pydantic import Field

from wattrain_api.recipe_parameters import ClassifierParameters


class TriedParameters(ClassifierParameters):
    \"\"\"A recipe that is tried.\"\"\"

"""


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What registers a recipe `tried` with these parameters."""

    def register(fields: str) -> str:
        folder = tmp_path / "tried_recipes" / "tried"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        (folder / "parameters.py").write_text(HEAD + fields)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr(registries, "recipe_folders", lambda: {"tried": "tried_recipes.tried"})
        monkeypatch.setattr(recipes, "__path__", [str(folder.parent)])
        for name in [name for name in sys.modules if name.startswith("tried_recipes")]:
            del sys.modules[name]
        return registries.registered_module()

    return register


def test_a_recipe_with_bounds_and_docstrings_is_registered(registered) -> None:
    text = registered(
        '    width: Annotated[int, Field(ge=1, le=9)] = 3\n    """Units."""\n'
        '    kind: Literal["a", "b"] = "a"\n    """Which."""\n'
        '    depth: Literal[3, 5] = 3\n    """How deep."""\n'
        '    share: Annotated[float, Field(ge=0, lt=1)] | None = None\n    """How much."""\n'
    )
    assert '"tried": TriedParameters' in text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("    width: Annotated[int, Field(ge=1, le=9)] = 3\n", "width has no docstring"),
        ('    width: int = 3\n    """Units."""\n', "width has no bounds; give it some: Annotated[int"),
        ('    margin: float | None = None\n    """Gap."""\n', "margin has no bounds; give it some: Annotated[float"),
        ('    kind: str = "a"\n    """Which."""\n', "kind has no bounds; name the values"),
        ('    sizes: tuple[int, ...] = ()\n    """Sizes."""\n', "sizes has no bounds; give it some: Annotated[tuple"),
    ],
)
def test_a_parameter_without_docstring_or_bounds_is_refused_by_name(registered, fields: str, said: str) -> None:
    with pytest.raises(registries.UnusableRecipe, match=r"parameters\.py: ") as refused:
        registered(fields)
    assert said in str(refused.value)


def test_a_folder_that_is_no_package_is_refused_instead_of_left_out(registered, tmp_path: Path) -> None:
    (tmp_path / "tried_recipes" / "forgotten").mkdir(parents=True)
    with pytest.raises(registries.UnusableRecipe, match=r"forgotten: there is no __init__\.py"):
        registered("    pass\n")
