"""Who reaches into what a library keeps to itself: names that begin with an underscore."""

import ast

import pytest

PUBLIC = {"_replace", "_asdict", "_make", "_fields", "_field_defaults", "_exit"}
"""Documented all the same: of named tuples, and os._exit."""
REACHING = {
    ("cluster/kube/compat.py", "_create_connector"),  # has tests of its own: tests/unit/shell/test_compat_*.py
    ("train/forkserver.py", "_dynamo"),  # every training of a recipe begins with it
    ("train/__main__.py", "_run_exitfuncs"),  # every training ends with it
    ("train/strategies/data_parallel.py", "_BatchNorm"),  # torch has no other name for all batch norms
    ("train/strategies/shared_batch_norm.py", "_BatchNorm"),
    ("train/strategies/deterministic.py", "_NormBase"),
    ("train/strategies/peer_wait.py", "_execution_engine"),  # test_train_peer_wait.py
    ("train/arithmetic_speed.py", "_python_dispatch"),
    ("train/recipe_costs.py", "_python_dispatch"),  # where torch documents its dispatch modes
}
"""Files and names: a new one needs a test that fails when a new version of the library moves it."""


def reached(text):
    """Private names of others that `text` uses, by attribute or by import."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    own |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and is_self(node.value)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and not is_self(node.value) and node.attr not in own:
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "").split(".") + [alias.name for alias in node.names])
        elif isinstance(node, ast.Import):
            yield from (part for alias in node.names for part in alias.name.split("."))


def private(text):
    return {name for name in reached(text) if name.startswith("_") and not name.startswith("__")} - PUBLIC


def is_self(node):
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def test_only_known_places_reach_into_libraries(root):
    found = set()
    for folder in (root / "api/wattrain_api", root / "operator/wattrain_operator", root / "worker/wattrain_worker"):
        for file in folder.rglob("*.py"):
            found |= {(str(file.relative_to(folder)), name) for name in private(file.read_text(encoding="utf-8"))}
    assert found == REACHING


@pytest.mark.parametrize(
    "text",
    ["from kopf._core import x", "import kopf._core", "from a import _x", "rest._x()", "a.b._x = 1", "self.rest._x"],
)
def test_the_search_finds_what_reaches_in(text):
    assert private(text)


@pytest.mark.parametrize(
    "text",
    ["self._x", "row._replace(a=1)", "from __future__ import annotations", "class A:\n def _x(self): ...\na._x()"],
)
def test_the_search_lets_what_is_ones_own_stand(text):
    assert not private(text)
