"""From dealt samples to shards: everything that is fitted is fitted on the training split, then applied to all."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattrain_api.contract.progress import WRITING
from wattrain_api.data import Data
from wattrain_worker.data.blocks_in_order import InOrder, one_by_one
from wattrain_worker.data.date_parts import parts_that_differ
from wattrain_worker.data.features import Fitted, Texts, fit_categories
from wattrain_worker.data.fit import Bounds, Facts, Matrix, Scaler, facts_of, filled, fit_bounds, fit_scaler
from wattrain_worker.data.precision import merged_values
from wattrain_worker.data.prepare_progress import SampleCounter
from wattrain_worker.data.prepared_data import SPLITS, Shard
from wattrain_worker.data.row_blocks import RowBlocks, Rows
from wattrain_worker.data.samples import Samples
from wattrain_worker.data.shard_file import Shape, Tensors
from wattrain_worker.data.split import Deal
from wattrain_worker.errors import BadData

MakeTensors = Callable[[str, Mapping[str, Shape]], Tensors]
"""Of a split, from the shapes and types of its tensors: the tensors, to write into."""


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


def transform(
    samples: Samples, dealt: Deal, data: Data, make_tensors: MakeTensors, in_order: InOrder = one_by_one
) -> Transformed:
    """Remove or clip outliers, fill in what is missing, scale. `dealt` [rows] says which split each row is in.

    Outliers go first, so that they shift neither the mean that is filled in nor the scale. Rows are looked at a block
    at a time; `make_tensors` gives where the shards lie.
    """
    rows = {split: np.flatnonzero(dealt == number) for number, split in enumerate(SPLITS)}
    numbers = _without_texts(samples, rows["train"])
    before = facts = facts_of(numbers)
    _demand_values(samples, facts)
    bounds = fit_bounds(numbers, facts, data.clean.outliers, skip=samples.are_truths)
    _demand_statistics(samples, rows["train"], np.isnan(bounds.lower))
    outside = {split: _outside(samples.features.of(rows[split]), bounds) for split in SPLITS}
    dropped = int(outside["train"].sum()) if data.clean.outliers.action == "drop" else 0
    if dropped:
        rows["train"] = rows["train"][~outside["train"]]
        outside["train"] = np.zeros(len(rows["train"]), np.bool_)
        numbers = _without_texts(samples, rows["train"])
        facts = facts_of(numbers)
        _demand_values(samples, facts)
    fitted, whole, of_whole = _fit(samples, rows["train"], numbers, facts, bounds, data)
    label_scaler = _fit_label(samples, rows["train"], data)
    written = SampleCounter(WRITING, sum(map(len, rows.values())))
    shards = {
        split: _shard(
            samples, rows[split], fitted, label_scaler, functools.partial(make_tensors, split), written, in_order
        )
        for split in SPLITS
    }
    written.end()
    features = RowBlocks(shards["train"].features)
    if (firsts := _first_of_each(fitted)) is not None:
        features = features.changed(lambda block: block[:, firsts], len(firsts))
    return Transformed(
        shards=shards,
        training_rows=rows["train"],
        outliers_dropped=dropped,
        outliers_clipped=sum(int(each.sum()) for each in outside.values()),
        fitted=fitted,
        label_scaler=label_scaler,
        warnings=(
            *_emptied_columns(samples, before, of_whole),
            *_merged_columns(samples, rows["train"], (whole, of_whole), features, data),
            *_merged_labels(samples, rows["train"], shards["train"]),
        ),
    )


def _are_texts(samples: Samples) -> npt.NDArray[np.bool_]:
    """[columns]"""
    return np.array([each is not None for each in samples.texts])


def _without_texts(samples: Samples, rows: Rows) -> RowBlocks:
    """The features of `rows` with 0 in the columns of texts, of which nothing but categories is fitted."""
    are_texts, features = _are_texts(samples), samples.features.of(rows)
    return features.changed(lambda block: np.where(are_texts, 0.0, block)) if are_texts.any() else features


def _outside(rows: RowBlocks, bounds: Bounds) -> npt.NDArray[np.bool_]:
    """[rows]: which have a value outside of `bounds`."""
    if bounds.are_endless:
        return np.zeros(len(rows), np.bool_)
    return np.concatenate([np.zeros(0, np.bool_), *map(bounds.outside, rows)])


def _first_of_each(fitted: Fitted) -> npt.NDArray[np.int64] | None:
    """Where the features of each column begin; that of a column of texts is compared with 0, which loses nothing. None:
    where the column is."""
    firsts = np.unique(fitted.origins, return_index=True)[1]
    return firsts if len(firsts) < len(fitted.origins) else None


def _fit(
    samples: Samples, training: Rows, numbers: RowBlocks, facts: Facts, bounds: Bounds, data: Data
) -> tuple[Fitted, RowBlocks, Facts]:
    """Fill values and scaler from the rows `training`, whose features without texts are `numbers`, within `bounds`; and
    these features clipped and filled, with what is known of them."""
    are_texts, raw = _are_texts(samples), samples.features.of(training)
    whole = numbers
    if not bounds.are_endless:
        whole = whole.changed(bounds.clipped)
        facts = facts_of(whole)
    lacks = facts.counts < facts.rows
    fills = data.clean.missing in ("mean", "indicator")
    fill = np.where(are_texts | (not fills), np.nan, facts.means)
    _demand_statistics(samples, training, np.isinf(fill))
    if fills and lacks.any():
        whole = whole.changed(lambda block: filled(block, fill))
        facts = facts_of(whole)
    scaler = fit_scaler(whole, facts, data.normalize)
    _demand_statistics(samples, training, ~(np.isfinite(scaler.mean) & np.isfinite(scaler.scale)))
    lacking = tuple(np.flatnonzero(lacks & ~are_texts).tolist()) if data.clean.missing == "indicator" else ()
    fitted = Fitted(
        bounds,
        data.clean.missing,
        fill,
        scaler,
        categories=fit_categories(raw, samples.texts),
        lacking=lacking,
        date_parts=tuple(
            parts_that_differ(raw.column(number)) if is_date else ()
            for number, is_date in enumerate(samples.are_dates.tolist())
        ),
    )
    return fitted, whole, facts


def _fit_label(samples: Samples, training: Rows, data: Data) -> Scaler | None:
    """The scaler of labels that are numbers, from the rows `training`."""
    if samples.labels.numbers is None:
        return None
    labels = RowBlocks(samples.labels.numbers[:, np.newaxis], training)
    scaler = fit_scaler(labels, facts_of(labels), data.normalize)
    if not (np.isfinite(scaler.mean).all() and np.isfinite(scaler.scale).all()):
        row = int(training[np.abs(labels.column(0)).argmax()])
        raise BadData(
            f'data: column "{samples.label}", {samples.place(row)}: {samples.labels.numbers[row]:g} is so large that '
            "the column has no finite mean and deviation; correct the value, or give the column in a larger unit"
        )
    return scaler


def _demand_values(samples: Samples, training: Facts) -> None:
    """What is fitted needs a value in every column."""
    if not training.rows:
        raise BadData(
            f"data: no row is left for training of the {len(samples.digests)} that were dealt; give more rows, raise "
            "spec.data.split.train, or raise spec.data.clean.outliers.threshold"
        )
    empty = np.flatnonzero(training.counts == 0)
    if len(empty):
        raise BadData(
            f'data: column "{samples.columns[empty[0]]}" has no value in the {training.rows} rows of the training '
            "split, so there is no mean to fill in; leave the column out of spec.data.features"
        )


def _shard(
    samples: Samples,
    rows: Rows,
    fitted: Fitted,
    label_scaler: Scaler | None,
    make_tensors: Callable[[Mapping[str, Shape]], Tensors],
    written: SampleCounter,
    in_order: InOrder,
) -> Shard:
    labels = _labels(samples, rows, label_scaler)
    width, raw = len(fitted.origins), samples.features.of(rows)
    shapes = {"features": ((len(rows), width), np.float32), "labels": (labels.shape, labels.dtype.type)}
    tensors = make_tensors(shapes)
    apply = functools.partial(_applied, fitted, samples.texts)
    for (start, end), features in zip(raw.spans(), in_order(apply, raw), strict=True):
        beyond = np.argwhere(~np.isfinite(features))
        if len(beyond):
            row, column = int(beyond[0][0]), int(fitted.origins[beyond[0][1]])
            value = raw.at(np.array([start + row]))[0, column]
            raise BadData(
                f'data: column "{samples.columns[column]}", {samples.place(int(rows[start + row]))}: '
                f"{value:g} is too large for float32 after normalizing; give the column in a larger unit"
            )
        tensors["features"][start:end] = features
        written.add(end - start)
    tensors["labels"][:] = labels
    return Shard(tensors)


def _applied(fitted: Fitted, texts: Texts, block: Matrix) -> npt.NDArray[np.float32]:
    return fitted.apply(block, texts)


def _labels(
    samples: Samples, rows: Rows, label_scaler: Scaler | None
) -> npt.NDArray[np.int64] | npt.NDArray[np.float32]:
    """[rows]: what a model is to predict."""
    if label_scaler is None or samples.labels.numbers is None:
        return samples.labels.codes[rows]
    labels = label_scaler.apply(samples.labels.numbers[rows, np.newaxis])[:, 0]
    if (too_large := np.flatnonzero(~np.isfinite(labels))).size:
        row = int(rows[too_large[0]])
        raise BadData(
            f'data: column "{samples.label}", {samples.place(row)}: {samples.labels.numbers[row]:g} is too large for '
            "float32 after normalizing; give the column in a larger unit"
        )
    return labels


def _demand_statistics(samples: Samples, training: Rows, beyond: npt.NDArray[np.bool_]) -> None:
    """BadData for the first column that is `beyond` float64: each of the values may be finite, and their mean not."""
    if not beyond.any():
        return
    column = int(beyond.argmax())
    values = samples.features.of(training).column(column)
    at = int(np.nanargmax(np.abs(values)))
    raise BadData(
        f'data: column "{samples.columns[column]}", {samples.place(int(training[at]))}: {values[at]:g} is so '
        "large that the column has no finite mean and deviation; correct the value, give the column in a larger unit, "
        "or leave it out of spec.data.features"
    )


def _emptied_columns(samples: Samples, before: Facts, after: Facts) -> Iterator[str]:
    """Of columns that differed before outliers were removed and do not any more."""
    for column in np.flatnonzero(after.are_constant & ~before.are_constant).tolist():
        yield (
            f'column "{samples.columns[column]}": without outliers it is {after.low[column]:g} in every training row, '
            "and says nothing; raise spec.data.clean.outliers.threshold, or leave the column out of spec.data.features"
        )


def _merged_columns(
    samples: Samples,
    training: Rows,
    whole: tuple[RowBlocks, Facts],
    features: RowBlocks,
    data: Data,
) -> Iterator[str]:
    """Of columns that float32 cannot hold. BadData where nothing of one is left."""
    values, facts = whole
    for merged in merged_values(values, facts.are_constant, features):
        one, other = (
            f"{_shortest(values.at(np.array([row]))[0, merged.column])} ({samples.place(int(training[row]))})"
            for row in merged.rows
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
    whole, labels = RowBlocks(numbers[:, np.newaxis]), RowBlocks(shard.labels.astype(np.float32)[:, np.newaxis])
    for merged in merged_values(whole, facts_of(whole).are_constant, labels):
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
