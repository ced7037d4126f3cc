"""From dealt samples to shards: everything that is fitted is fitted on the training split, then applied to all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattrain_api.data import Data
from wattrain_worker.data.date_parts import parts_that_differ
from wattrain_worker.data.features import Fitted, fit_categories
from wattrain_worker.data.fit import Bounds, Matrix, Scaler, filled, fit_bounds, fit_fill, fit_scaler, is_constant
from wattrain_worker.data.precision import merged_values
from wattrain_worker.data.prepared_data import SPLITS, Shard
from wattrain_worker.data.samples import Rows, Samples
from wattrain_worker.data.split import Deal
from wattrain_worker.errors import BadData


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
    fitted: Fitted
    """What was done with the values of every split."""
    label_scaler: Scaler | None
    """What was done with the labels of every split, where they are numbers."""
    warnings: tuple[str, ...]
    """What may not be as the user means it, a sentence each."""


def transform(samples: Samples, dealt: Deal, data: Data) -> Transformed:
    """Remove or clip outliers, fill in what is missing, scale. `dealt` [rows] says which split each row is in.

    Outliers go first, so that they shift neither the mean that is filled in nor the scale.
    """
    rows = {split: np.flatnonzero(dealt == number) for number, split in enumerate(SPLITS)}
    raw = {split: samples.features[rows[split]] for split in SPLITS}
    training = raw["train"]
    _demand_values(samples, training)
    numbers = _without_texts(samples, training)
    bounds = fit_bounds(numbers, data.clean.outliers, skip=samples.are_truths)
    _demand_statistics(samples, rows["train"], np.isnan(bounds.lower))
    outside = {split: bounds.outside(raw[split]) for split in SPLITS}
    dropped = int(outside["train"].sum()) if data.clean.outliers.action == "drop" else 0
    if dropped:
        rows["train"] = rows["train"][~outside["train"]]
        outside["train"] = np.zeros(len(rows["train"]), np.bool_)
        raw["train"] = samples.features[rows["train"]]
        _demand_values(samples, raw["train"])
    fitted = _fit(samples, rows["train"], raw["train"], bounds, data)
    features = {split: fitted.apply(raw[split], samples.texts) for split in SPLITS}
    whole = fitted.whole(raw["train"])
    label_scaler = _fit_label(samples, rows["train"], data)
    shards = {split: _shard(samples, rows[split], features[split], fitted.origins, label_scaler) for split in SPLITS}
    return Transformed(
        shards=shards,
        training_rows=rows["train"],
        outliers_dropped=dropped,
        outliers_clipped=sum(int(each.sum()) for each in outside.values()),
        fitted=fitted,
        label_scaler=label_scaler,
        warnings=(
            *(_emptied_columns(samples, numbers, whole) if whole is not training else ()),
            *_merged_columns(samples, rows["train"], whole, features["train"][:, _first_of_each(fitted)], data),
            *_merged_labels(samples, rows["train"], shards["train"]),
        ),
    )


def _are_texts(samples: Samples) -> npt.NDArray[np.bool_]:
    """[columns]"""
    return np.array([each is not None for each in samples.texts])


def _without_texts(samples: Samples, rows: Matrix) -> Matrix:
    """`rows` [rows, columns] with 0 in the columns of texts, of which nothing but categories is fitted."""
    are_texts = _are_texts(samples)
    return np.where(are_texts, 0.0, rows) if are_texts.any() else rows


def _first_of_each(fitted: Fitted) -> npt.NDArray[np.int64] | slice:
    """Where the features of each column begin; that of a column of texts is compared with 0, which loses nothing."""
    firsts = np.unique(fitted.origins, return_index=True)[1]
    return firsts if len(firsts) < len(fitted.origins) else slice(None)


def _fit(samples: Samples, training: Rows, raw: Matrix, bounds: Bounds, data: Data) -> Fitted:
    """Fill values and scaler from the rows `training`, whose features are `raw`, within `bounds`."""
    clipped = bounds.clipped(_without_texts(samples, raw))
    are_texts = _are_texts(samples)
    fills = data.clean.missing in ("mean", "indicator")
    fill = np.where(are_texts, np.nan, fit_fill(clipped)) if fills else np.full(len(samples.columns), np.nan)
    _demand_statistics(samples, training, np.isinf(fill))
    scaler = fit_scaler(filled(clipped, fill), data.normalize)
    _demand_statistics(samples, training, ~(np.isfinite(scaler.mean) & np.isfinite(scaler.scale)))
    lacks = np.isnan(raw).any(axis=0) & ~are_texts
    lacking = tuple(np.flatnonzero(lacks).tolist()) if data.clean.missing == "indicator" else ()
    return Fitted(
        bounds,
        data.clean.missing,
        fill,
        scaler,
        categories=fit_categories(raw, samples.texts),
        lacking=lacking,
        date_parts=tuple(
            parts_that_differ(raw[:, number]) if is_date else ()
            for number, is_date in enumerate(samples.are_dates.tolist())
        ),
    )


def _fit_label(samples: Samples, training: Rows, data: Data) -> Scaler | None:
    """The scaler of labels that are numbers, from the rows `training`."""
    if samples.labels.numbers is None:
        return None
    labels = samples.labels.numbers[training, np.newaxis]
    scaler = fit_scaler(labels, data.normalize)
    if not (np.isfinite(scaler.mean).all() and np.isfinite(scaler.scale).all()):
        row = int(training[np.abs(labels[:, 0]).argmax()])
        raise BadData(
            f'data: column "{samples.label}", {samples.place(row)}: {samples.labels.numbers[row]:g} is so large that '
            "the column has no finite mean and deviation; correct the value, or give the column in a larger unit"
        )
    return scaler


def _demand_values(samples: Samples, training: Matrix) -> None:
    """What is fitted needs a value in every column."""
    if not len(training):
        raise BadData(
            f"data: no row is left for training of the {len(samples.digests)} that were dealt; give more rows, raise "
            "spec.data.split.train, or raise spec.data.clean.outliers.threshold"
        )
    empty = np.flatnonzero(np.isnan(training).all(axis=0) & ~_are_texts(samples))
    if len(empty):
        raise BadData(
            f'data: column "{samples.columns[empty[0]]}" has no value in the {len(training)} rows of the training '
            "split, so there is no mean to fill in; leave the column out of spec.data.features"
        )


def _shard(
    samples: Samples,
    rows: Rows,
    features: npt.NDArray[np.float32],
    origins: npt.NDArray[np.int64],
    label_scaler: Scaler | None,
) -> Shard:
    beyond = np.argwhere(~np.isfinite(features))
    if len(beyond):
        row, column = int(beyond[0][0]), int(origins[beyond[0][1]])
        raise BadData(
            f'data: column "{samples.columns[column]}", {samples.place(int(rows[row]))}: '
            f"{samples.features[rows[row], column]:g} is too large for float32 after normalizing; give the column in a "
            "larger unit"
        )
    if label_scaler is None or samples.labels.numbers is None:
        return Shard.of_table(np.ascontiguousarray(features), samples.labels.codes[rows])
    labels = label_scaler.apply(samples.labels.numbers[rows, np.newaxis])[:, 0]
    if (too_large := np.flatnonzero(~np.isfinite(labels))).size:
        row = int(rows[too_large[0]])
        raise BadData(
            f'data: column "{samples.label}", {samples.place(row)}: {samples.labels.numbers[row]:g} is too large for '
            "float32 after normalizing; give the column in a larger unit"
        )
    return Shard.of_table(np.ascontiguousarray(features), np.ascontiguousarray(labels))


def _demand_statistics(samples: Samples, training: Rows, beyond: npt.NDArray[np.bool_]) -> None:
    """BadData for the first column that is `beyond` float64: each of the values may be finite, and their mean not."""
    if not beyond.any():
        return
    column = int(beyond.argmax())
    row = int(training[np.nanargmax(np.abs(samples.features[training, column]))])
    raise BadData(
        f'data: column "{samples.columns[column]}", {samples.place(row)}: {samples.features[row, column]:g} is so '
        "large that the column has no finite mean and deviation; correct the value, give the column in a larger unit, "
        "or leave it out of spec.data.features"
    )


def _emptied_columns(samples: Samples, before: Matrix, after: Matrix) -> Iterator[str]:
    """Of columns that differed before outliers were removed and do not any more."""
    for column in np.flatnonzero(is_constant(after) & ~is_constant(before)).tolist():
        yield (
            f'column "{samples.columns[column]}": without outliers it is {after[0, column]:g} in every training row, '
            "and says nothing; raise spec.data.clean.outliers.threshold, or leave the column out of spec.data.features"
        )


def _merged_columns(
    samples: Samples, training: Rows, whole: Matrix, features: npt.NDArray[np.float32], data: Data
) -> Iterator[str]:
    """Of columns that float32 cannot hold. BadData where nothing of one is left."""
    for merged in merged_values(whole, features):
        one, other = (
            f"{_shortest(whole[row, merged.column])} ({samples.place(int(training[row]))})" for row in merged.rows
        )
        how_many = "all its values are" if merged.are_all else "half of its values or more are"
        remedy = (
            "set spec.data.normalize to standard"
            if data.normalize == "none"
            else "values far from the others cause it: clip them by spec.data.clean.outliers"
        )
        sentence = (
            f'column "{samples.columns[merged.column]}": {one} and {other} are the same number in float32, in which '
            f"models compute, and so {how_many}; {remedy}, or leave the column out of spec.data.features"
        )
        if merged.are_all:
            raise BadData(f"data: {sentence}")
        yield sentence


def _merged_labels(samples: Samples, training: Rows, shard: Shard) -> Iterator[str]:
    """A sentence where float32 cannot hold the labels, which are numbers. BadData where nothing of them is left."""
    if samples.labels.numbers is None:
        return
    numbers = samples.labels.numbers[training]
    for merged in merged_values(numbers[:, np.newaxis], shard.labels.astype(np.float32)[:, np.newaxis]):
        one, other = (f"{_shortest(numbers[row])} ({samples.place(int(training[row]))})" for row in merged.rows)
        sentence = (
            f'column "{samples.label}": {one} and {other} are the same number in float32, in which models compute; set '
            "spec.data.normalize to standard, or correct values that are far from the others"
        )
        if merged.are_all:
            raise BadData(f"data: {sentence}")
        yield sentence


def _shortest(value: float) -> str:
    """`value` with as many digits as tell it from every other."""
    return repr(float(value)).removesuffix(".0")
