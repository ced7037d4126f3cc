"""What all jobs that `wattrain init` writes have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from wattrain_api.inspected import SeenClass
from wattrain_operator.cli.yaml_text import comment, trailing

_MOST_CLASSES = 12


def document(
    asked: str,
    path: str,
    recipe: str,
    *,
    title: Iterable[str],
    about: Iterable[str],
    warnings: Sequence[str],
    params: Iterable[str],
    data: Iterable[str],
    training: Iterable[str],
) -> str:
    """A TrainingJob for `recipe`, of its lines. `asked`: what the user named; `path`: where the text will be; `title`
    and `about`: comments before and after how it is run."""
    lines = [
        *title,
        "#",
        *comment(f"  wattrain validate {path}", ""),
        *comment(f"  wattrain run {path}", ""),
        "#",
        *about,
        *(line for warning in warnings for line in comment(f"Look at this: {warning}", "")),
        "apiVersion: wattrain.dev/v1alpha1",
        "kind: TrainingJob",
        "metadata:",
        f"  name: {job_name(asked)}",
        "spec:",
        "  recipe:",
        f"    name: {recipe}{trailing('`wattrain recipes` lists all')}",
        *params,
        "  data:",
        *data,
        "  training:",
        *training,
        "  workers:",
        f"    replicas: 1{trailing('more of them share each batch; the result does not depend on their number')}",
    ]
    return "\n".join(lines) + "\n"


def most_frequent(classes: Iterable[SeenClass]) -> str:
    """`a (1,200), b (30) and 5 more`: classes with their samples, the most frequent ones first."""
    ordered = sorted(classes, key=lambda each: -each.rows)
    told = ", ".join(f"{each.name} ({each.rows:,})" for each in ordered[:_MOST_CLASSES])
    return told + (f" and {len(ordered) - _MOST_CLASSES:,} more" if len(ordered) > _MOST_CLASSES else "")


def job_name(asked: str) -> str:
    """A name for the job, which Kubernetes takes too."""
    stem = re.split(r"[/\\]", asked.rstrip("/"))[-1].rsplit(".", 1)[0]
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:47].strip("-")
    return name or "my-job"
