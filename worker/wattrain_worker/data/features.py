"""From raw values to the numbers that a model sees: the one way for preparation, evaluation and prediction."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from wattrain_api.data import Missing
from wattrain_worker.data.date_parts import COLUMNS, PARTS, DatePart, on_circles
from wattrain_worker.data.fit import Bounds, Matrix, Scaler, Vector, filled
from wattrain_worker.data.row_blocks import RowBlocks

Texts: TypeAlias = "tuple[tuple[str, ...] | None, ...]"


@dataclass(frozen=True)
class Fitted:
    """What was fitted on the training split. prepare.json holds it, so that a model takes it along."""

    bounds: Bounds
    """What lies outside is moved to them."""
    policy: Missing
    """What was done about missing values: `spec.data.clean.missing`."""
    fill: Vector
    """[columns]: what a missing value is replaced with; NaN where it is not."""
    scaler: Scaler
    categories: tuple[tuple[str | None, ...] | None, ...]
    """[columns]: the texts that each has in the training split, None among them where one is missing there; None alone:
    it holds no texts."""
    lacking: tuple[int, ...]
    """The columns of numbers, rising, that the model is told of where they lack a value."""
    date_parts: tuple[tuple[DatePart, ...], ...]
    """[columns]: what of each column's dates the model is told beside their number; none where it holds no dates."""

    @property
    def origins(self) -> npt.NDArray[np.int64]:
        """[width]: of which column each of the model's columns is made."""
        widths = [1 if each is None else len(each) for each in self.categories]
        of_dates = [COLUMNS * len(parts) for parts in self.date_parts]
        every = np.arange(len(widths))
        return np.concatenate([np.repeat(every, widths), np.array(self.lacking, np.int64), np.repeat(every, of_dates)])

    def whole(self, raw: Matrix) -> Matrix:
        """`raw` [rows, columns] with outliers clipped and gaps filled, before it is scaled. Columns of texts are 0."""
        values = filled(self.bounds.clipped(raw), self.fill)
        are_texts = np.array([each is not None for each in self.categories])
        return np.where(are_texts, 0.0, values) if are_texts.any() else values

    def apply(self, raw: Matrix, texts: Texts) -> npt.NDArray[np.float32]:
        """`raw` [rows, columns] as the model sees it, [rows, width]: infinite where a number does not fit into float32,
        NaN where one is missing and none is filled in.

        `texts` [columns] are those that `raw` has the indices of. One that the training split did not have is 0 in
        every column of its categories.
        """
        scaled = self.scaler.apply(self.whole(raw))
        if not self.lacking and not any(self.date_parts) and all(each is None for each in self.categories):
            return scaled
        columns = [
            scaled[:, [number]] if known is None else _one_hot(raw[:, number], texts[number] or (), known)
            for number, known in enumerate(self.categories)
        ]
        gaps = np.isnan(raw[:, list(self.lacking)]).astype(np.float32)
        of_dates = [on_circles(raw[:, number], parts) for number, parts in enumerate(self.date_parts) if parts]
        return np.hstack([*columns, gaps, *of_dates])

    def unseen(self, raw: Matrix, texts: Texts) -> npt.NDArray[np.bool_]:
        """[rows, columns]: where a text, or that it is missing, is something that the training split did not have."""
        found = np.zeros(raw.shape, np.bool_)
        for number, known in enumerate(self.categories):
            if known is not None:
                found[:, number] = ~_one_hot(raw[:, number], texts[number] or (), known).any(axis=1)
        return found


def _one_hot(indices: Vector, texts: tuple[str, ...], known: tuple[str | None, ...]) -> npt.NDArray[np.float32]:
    """[rows, categories]: 1 at the category of each of `indices` [rows] into `texts`, NaN: missing."""
    place = {category: number for number, category in enumerate(known)}
    of_text = np.array([*(place.get(text, -1) for text in texts), place.get(None, -1)])  # the last one: missing
    categories = of_text[np.where(np.isnan(indices), len(texts), indices).astype(np.int64)]
    return np.asarray(categories[:, np.newaxis] == np.arange(len(known)), np.float32)


def fit_categories(training: RowBlocks, texts: Texts) -> tuple[tuple[str | None, ...] | None, ...]:
    """[columns]: the texts of the rows `training`, sorted, and None last where one is missing."""
    seen = {number: np.zeros(len(each) + 1, np.bool_) for number, each in enumerate(texts) if each is not None}
    for block in training if seen else ():
        for number, are_there in seen.items():
            indices = block[:, number]
            are_there[np.where(np.isnan(indices), len(are_there) - 1, indices).astype(np.int64)] = True
    found: list[tuple[str | None, ...] | None] = []
    for number, of_column in enumerate(texts):
        found.append(None if of_column is None else tuple(itertools.compress((*of_column, None), seen[number])))
    return tuple(found)


def fitted_to_json(
    fitted: Fitted, columns: tuple[str, ...], outliers: dict[str, Any], normalize: str
) -> dict[str, Any]:
    """What prepare.json says under `outliers`, `missing` and `scaler`, one value a column, null: none; and, where there
    are columns of texts or dates, under `categories` and `dateParts`, by name."""
    limits = {"lower": _finite(fitted.bounds.lower), "upper": _finite(fitted.bounds.upper)}
    encoded = {name: list(known) for name, known in zip(columns, fitted.categories, strict=True) if known is not None}
    told: dict[str, Any] = {"policy": fitted.policy}
    if fitted.policy in ("mean", "indicator"):
        told["fill"] = _finite(fitted.fill)
    if fitted.policy == "indicator":
        told["indicators"] = [columns[number] for number in fitted.lacking]
    of_dates = {name: list(parts) for name, parts in zip(columns, fitted.date_parts, strict=True) if parts}
    return {
        **({"categories": encoded} if encoded else {}),
        **({"dateParts": of_dates} if of_dates else {}),
        "outliers": outliers | (limits if outliers["method"] != "none" else {}),
        "missing": told,
        "scaler": {
            "method": normalize,
            "mean": fitted.scaler.mean.tolist(),
            "scale": fitted.scaler.scale.tolist(),
        },
    }


def fitted_from_json(document: Mapping[str, Any]) -> Fitted:
    """What `fitted_to_json` said in prepare.json. KeyError, TypeError or ValueError where that says something else."""
    columns, outliers, missing = len(document["columns"]), document["outliers"], document["missing"]
    scaler = Scaler(_vector(document["scaler"]["mean"], columns), _vector(document["scaler"]["scale"], columns))
    lower, upper = (_vector(outliers.get(end) or [None] * columns, columns) for end in ("lower", "upper"))
    bounds = Bounds(np.where(np.isnan(lower), -np.inf, lower), np.where(np.isnan(upper), np.inf, upper))
    encoded, lacking = document.get("categories") or {}, missing.get("indicators") or []
    of_dates = document.get("dateParts") or {}
    if unknown := {part for parts in of_dates.values() for part in parts} - {*PARTS}:
        raise ValueError(f"parts of dates that this version does not know: {sorted(unknown)}")
    return Fitted(
        bounds,
        missing["policy"],
        _vector(missing.get("fill") or [None] * columns, columns),
        scaler,
        categories=tuple(tuple(encoded[name]) if name in encoded else None for name in document["columns"]),
        lacking=tuple(document["columns"].index(name) for name in lacking),
        date_parts=tuple(tuple(of_dates.get(name, ())) for name in document["columns"]),
    )


def _vector(values: list[float | None], columns: int) -> Vector:
    """`values` as an array; None becomes NaN."""
    vector = np.array(values, dtype=np.float64)
    if vector.shape != (columns,):
        raise ValueError(f"{vector.shape[0]} values for {columns} columns")
    return vector


def _finite(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
