"""From raw values to the numbers that a model sees: the one way for preparation, evaluation and prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from wattrain_worker.data.fit import Bounds, Matrix, Scaler, Vector, filled


@dataclass(frozen=True)
class Fitted:
    """What was fitted on the training split. prepare.json holds it, so that a model takes it along."""

    bounds: Bounds
    """What lies outside is moved to them."""
    policy: Literal["drop", "mean", "fail"]
    """What was done about missing values: `spec.data.clean.missing`."""
    fill: Vector
    """[columns]: what a missing value is replaced with; NaN where it is not."""
    scaler: Scaler

    def whole(self, raw: Matrix) -> Matrix:
        """`raw` [rows, columns] with outliers clipped and gaps filled, before it is scaled."""
        return filled(self.bounds.clipped(raw), self.fill)

    def apply(self, raw: Matrix) -> npt.NDArray[np.float32]:
        """`raw` [rows, columns] as the model sees it: infinite where a number does not fit into float32, NaN where a
        value is missing and none is filled in."""
        return self.scaler.apply(self.whole(raw))


def fitted_to_json(fitted: Fitted, outliers: dict[str, Any], normalize: str) -> dict[str, Any]:
    """What prepare.json says under `outliers`, `missing` and `scaler`; one value a column, null: none."""
    limits = {"lower": _finite(fitted.bounds.lower), "upper": _finite(fitted.bounds.upper)}
    return {
        "outliers": outliers | (limits if outliers["method"] != "none" else {}),
        "missing": {"policy": fitted.policy} | ({"fill": fitted.fill.tolist()} if fitted.policy == "mean" else {}),
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
    return Fitted(bounds, missing["policy"], _vector(missing.get("fill") or [None] * columns, columns), scaler)


def _vector(values: list[float | None], columns: int) -> Vector:
    """`values` as an array; None becomes NaN."""
    vector = np.array(values, dtype=np.float64)
    if vector.shape != (columns,):
        raise ValueError(f"{vector.shape[0]} values for {columns} columns")
    return vector


def _finite(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
