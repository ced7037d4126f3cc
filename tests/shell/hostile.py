"""Specs that mean harm: every field of the schema with every value that somebody might try."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
Where = tuple[str | int, ...]
CRD = Path(__file__).parents[2] / "manifests" / "crd" / "trainingjobs.wattrain.dev.yaml"
RECIPE: Json = {
    "recipe": {"name": "logistic-regression"},
    "data": {"source": {"builtin": "digits"}},
    "training": {"epochs": 1, "batchSize": 32},
    "workers": {"replicas": 1, "nodeSelector": {"wattrain.dev/test": "nowhere"}},
}
SCRIPT: Json = {"script": {"command": ["x"]}, "workers": RECIPE["workers"]}


def nested(depth: int) -> Any:
    """Lists in maps in lists."""
    found: Any = "x"
    for _ in range(depth):
        found = {"a": [found]}
    return found


VALUES: dict[str, Any] = {
    "null": None, "minus one": -1, "a million": 1_000_000, "over 64 bits": 2**64, "a megabyte": "x" * 1_000_000,
    "nul": "a\0b", "a thousand": ["x"] * 1000, "deep": nested(50),
    "text": "\u202ecod.exe\u2066 a\r\n---\nkind: Pod \x1b[2J\x07 \U0001f4a5 {{ .Values }} $(HOME) `id` ../../etc",
}  # fmt: skip
"""No longer list of what is wrong: Kubernetes 1.36 itself thinks for ten seconds about ten thousand wrong items."""


def specs() -> Iterator[tuple[str, Json]]:
    """All of them, with a name each that says what is where."""
    schema = yaml.safe_load(CRD.read_text(encoding="utf-8"))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for path in fields(schema["properties"]["spec"]):
        for said, value in VALUES.items():
            base = copy.deepcopy(SCRIPT if path[0] == "script" else RECIPE)
            yield f"{'.'.join(map(str, path))} = {said}", put(base, path, value)
    variables = [{"name": f"A{number}", "value": "x"} for number in range(10_000)]
    yield "ten thousand variables", put(copy.deepcopy(RECIPE), ("workers", "env"), variables)


def fields(schema: Json, path: Where = ()) -> Iterator[Where]:
    """The paths of all fields, items and values below `schema`."""
    if path:
        yield path
    for name, below in (schema.get("properties") or {}).items():
        yield from fields(below, (*path, name))
    if "items" in schema:
        yield from fields(schema["items"], (*path, 0))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from fields(schema["additionalProperties"], (*path, "key"))


def put(spec: Json, path: Where, value: Any) -> Json:
    """`spec` with `value` at `path`, whatever was there."""
    here: Any = spec
    for step, following in itertools.pairwise(path):
        if isinstance(step, int):
            here.append([] if isinstance(following, int) else {})
            here = here[0]
        else:
            here = here.setdefault(step, [] if isinstance(following, int) else {})
    if isinstance(path[-1], int):
        here[:] = [value]
    else:
        here[path[-1]] = value
    return spec
