"""From dealt samples to shards: everything that is fitted is fitted on the training split, then applied to all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wattrain_api.data import Data
from wattrain_worker.data.errors import BadData
from wattrain_worker.data.fit import Bounds, Matrix, Scaler, Vector, filled, fit_bounds, fit_fill, fit_scaler
from wattrain_worker.data.prepared import SPLITS, Shard
from wattrain_worker.data.samples import Rows, Samples
from wattrain_worker.data.split import TRAIN, Deal


@dataclass(frozen=True)
class Transformed:
    """Shards, and what was fitted and counted on the way to them."""

    shards: dict[str, Shard]
    """By split: train, validation, test."""
    training_rows: Rows
    """Index into the samples of each row of the training shard."""
    outliers_dropped: int
    """Rows of the training split that were left out."""
    outliers_clipped: int
    """Rows of any split of which a value was moved to its bound."""
    fitted: dict[str, Any]
    """What prepare.json says under `outliers`, `missing` and `scaler`; one value a column, null: none."""


def transform(samples: Samples, dealt: Deal, data: Data) -> Transformed:
    """Remove or clip outliers, fill in what is missing, scale. `dealt` [rows] says which split each row is in.

    Outliers go first, so that they shift neither the mean that is filled in nor the scale.
    """
    rows = {split: np.flatnonzero(dealt == number) for number, split in enumerate(SPLITS)}
    training = samples.features[dealt == TRAIN]
    _demand_values(samples, training)
    bounds = fit_bounds(training, data.clean.outliers, skip=samples.are_truths)
    outside = {split: bounds.outside(samples.features[rows[split]]) for split in SPLITS}
    dropped = int(outside["train"].sum()) if data.clean.outliers.action == "drop" else 0
    if dropped:
        rows["train"] = rows["train"][~outside["train"]]
        outside["train"] = np.zeros(len(rows["train"]), np.bool_)
        _demand_values(samples, samples.features[rows["train"]])
    clipped = {split: bounds.clipped(samples.features[rows[split]]) for split in SPLITS}
    fill = fit_fill(clipped["train"])
    whole = {split: filled(clipped[split], fill) for split in SPLITS}
    scaler = fit_scaler(whole["train"], data.normalize)
    return Transformed(
        shards={split: _shard(samples, rows[split], scaler.apply(whole[split])) for split in SPLITS},
        training_rows=rows["train"],
        outliers_dropped=dropped,
        outliers_clipped=sum(int(each.sum()) for each in outside.values()),
        fitted=_fitted(data, bounds, fill, scaler),
    )


def _demand_values(samples: Samples, training: Matrix) -> None:
    """What is fitted needs a value in every column."""
    if not len(training):
        raise BadData(
            f"data: no row is left for training of the {len(samples.digests)} that were dealt; give more rows, raise "
            "spec.data.split.train, or raise spec.data.clean.outliers.threshold"
        )
    empty = np.flatnonzero(np.isnan(training).all(axis=0))
    if len(empty):
        raise BadData(
            f'data: column "{samples.columns[empty[0]]}" has no value in the {len(training)} rows of the training '
            "split, so there is no mean to fill in; leave the column out of spec.data.features"
        )


def _shard(samples: Samples, rows: Rows, features: npt.NDArray[np.float32]) -> Shard:
    beyond = np.argwhere(~np.isfinite(features))
    if len(beyond):
        row, column = (int(i) for i in beyond[0])
        raise BadData(
            f'data: column "{samples.columns[column]}", {samples.place(int(rows[row]))}: '
            f"{samples.features[rows[row], column]:g} is too large for float32 after normalizing; give the column in a "
            "larger unit"
        )
    return Shard(np.ascontiguousarray(features), samples.labels.codes[rows])


def _fitted(data: Data, bounds: Bounds, fill: Vector, scaler: Scaler) -> dict[str, Any]:
    outliers, missing = data.clean.outliers, data.clean.missing
    limits = {"lower": _finite(bounds.lower), "upper": _finite(bounds.upper)} if outliers.method != "none" else {}
    return {
        "outliers": {**outliers.to_json_object(), **limits},
        "missing": {"policy": missing, **({"fill": fill.tolist()} if missing == "mean" else {})},
        "scaler": {"method": data.normalize, "mean": scaler.mean.tolist(), "scale": scaler.scale.tolist()},
    }


def _finite(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
