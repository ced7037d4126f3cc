"""Classes of samples that are files or lines: by the names that their source gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from wattrain_api.recipe_parameters import ClassifierParameters
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepared_data import SPLITS, Label
from wattrain_worker.data.split import Deal
from wattrain_worker.data.table import listed
from wattrain_worker.errors import BadData, BadSpec

_SPLIT_NAMES: Final = {"train", "training", "val", "valid", "validation", "test", "testing"}


@dataclass(frozen=True)
class NamedClasses:
    """A class for every sample."""

    codes: npt.NDArray[np.int64]
    """[samples]: index into `classes`."""
    classes: tuple[Label, ...]
    """Integers in numeric order where all are written as integers are; else texts in order of their code points."""
    written: tuple[str, ...]
    """Each class as the source writes it."""

    def histogram(self, dealt: Deal) -> dict[str, list[int]]:
        """Of each split, its samples by class, in the order of `classes`. `dealt`: [samples]."""
        counted = (np.bincount(self.codes[dealt == number], minlength=len(self.classes)) for number in range(3))
        return {name: rows.tolist() for name, rows in zip(SPLITS, counted, strict=True)}


def named_classes(names: Sequence[str], samples: str) -> NamedClasses:
    """The classes that `names` [samples] are. BadData, which calls them `samples`, where all are the same."""
    named = set(names)
    if len(named) < 2:
        raise BadData(
            f"data: all {len(names)} {samples} have the class {next(iter(named))!r}; a training needs {samples} of two "
            "classes at least"
        )
    wholes = all(_is_whole(name) for name in named)
    written = tuple(sorted(named, key=int)) if wholes else tuple(sorted(named))
    code_of = {name: code for code, name in enumerate(written)}
    codes = np.array([code_of[name] for name in names], np.int64)
    return NamedClasses(codes, tuple(map(int, written)) if wholes else written, written)


def names_of_folders(paths: Sequence[str]) -> list[str | None]:
    """The first folder of each path below the deepest one that holds all of them; None: it lies there itself."""
    folders = [path.split("/")[:-1] for path in paths]
    shortest, longest = min(folders), max(folders)  # what the first and the last have in common, all have
    depth = next((i for i, (a, b) in enumerate(zip(shortest, longest, strict=False)) if a != b), len(shortest))
    labels = [parts[depth] if len(parts) > depth else None for parts in folders]
    named = {label for label in labels if label is not None}
    if named and {label.lower() for label in named} <= _SPLIT_NAMES:
        raise BadData(
            f"data: the folders {', '.join(sorted(named))} are named like splits, not like classes; give a folder that "
            "has a folder for each class: spec.data.split deals them"
        )
    return labels


def demand_few_classes(labels: NamedClasses, spec: TrainingJobSpec, samples: str) -> None:
    """BadSpec where there are more than the job says."""
    params = spec.recipe.params if spec.recipe else None
    limit = params.classes if isinstance(params, ClassifierParameters) else None
    if limit is not None and len(labels.classes) > limit:
        raise BadSpec(
            f"spec.recipe.params.classes: {limit}, but the {samples} have {len(labels.classes)} classes; raise it, or "
            "leave it out"
        )


def demand_two_classes(labels: NamedClasses, training: Sequence[int], samples: str) -> None:
    """BadData where `training`, the samples of the training split by class, are of one class alone."""
    present = np.flatnonzero(training).tolist()
    if len(present) < 2:
        raise BadData(
            f"data: all {sum(training)} training {samples} have the class {labels.written[present[0]]!r}; give more "
            f"{samples}, or set spec.data.split.method to stratified"
        )


def shares_of(histogram: Mapping[str, Sequence[int]]) -> dict[str, list[float]]:
    """Of each split, the share of its samples by class."""
    return {split: [round(n / (sum(rows) or 1), 6) for n in rows] for split, rows in histogram.items()}


def never_trained(labels: NamedClasses, training: Sequence[int], sample: str) -> list[str]:
    """A warning of classes that the training split has not."""
    never = [written for written, count in zip(labels.written, training, strict=True) if not count]
    if not never:
        return []
    return [
        f"no training {sample} has the class {listed(never)}, which is therefore never predicted; give more {sample}s, "
        "or set spec.data.split.method to stratified"
    ]


def _is_whole(text: str) -> bool:
    """Whether it is written as Python writes an integer: 7 and 07 are different texts."""
    return text.isascii() and text.removeprefix("-").isdigit() and str(int(text)) == text
