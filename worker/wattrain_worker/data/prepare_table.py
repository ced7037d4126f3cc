"""Tables, in an order that lets nothing leak from validation and test into training.

Schema, duplicates, missing values, classes, split; then, fitted on the training split alone, outliers, fill values and
scaler; at last shards. The same input gives the same bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np

from wattrain_api.data import Data
from wattrain_api.recipe_parameters import ClassifierParameters
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.blocks_in_order import InOrder, computed_by
from wattrain_worker.data.doubts import doubtful_classes, doubtful_repeats
from wattrain_worker.data.features import fitted_to_json
from wattrain_worker.data.label_issues import suspicious_rows
from wattrain_worker.data.prepared_data import SPLITS, Shard, shard_name
from wattrain_worker.data.preparer import (
    COUNT_NAMES,
    Document,
    Folders,
    SampleSource,
    demand_rows_for_ranks,
    demand_rows_in_splits,
    versions_of,
)
from wattrain_worker.data.readers import read
from wattrain_worker.data.row_digests import are_among
from wattrain_worker.data.samples import (
    Samples,
    first_of_equals,
    gather,
    with_known_classes,
    without_duplicates,
    without_missing,
)
from wattrain_worker.data.scratch import Scratch
from wattrain_worker.data.shard_file import Shape, Tensors, TensorWriter
from wattrain_worker.data.sources import Room, SourceFile, fetched
from wattrain_worker.data.split import TEST, TRAIN, deal
from wattrain_worker.data.transform import Transformed, transform
from wattrain_worker.errors import BadData, BadSpec

_MOST_LISTED: Final = 20
MOST_HELD_BYTES: Final = 64 << 20
"""Of a file; a larger one is streamed."""


def prepare_table(spec: TrainingJobSpec, data: Data, folders: Folders) -> SampleSource:
    """The rows of one file."""
    source = fetched(data.source, folders.claims, Room(MOST_HELD_BYTES, folders.shards))
    return SampleSource(source.to_json_object, functools.partial(_prepared, spec, data, source))


def _prepared(spec: TrainingJobSpec, data: Data, source: SourceFile, data_dir: Path) -> Document:
    with computed_by(data) as in_order:
        return _prepared_by(in_order, spec, data, source, data_dir)


def _prepared_by(in_order: InOrder, spec: TrainingJobSpec, data: Data, source: SourceFile, data_dir: Path) -> Document:
    with ThreadPoolExecutor(1) as beside:
        beside.submit(lambda: source.sha256)
        recipe = spec.recipe
        scratch = Scratch(data_dir if source.is_large else None)
        table = read(source, data.missing_values, scratch, in_order)
        name, params = (recipe.name, recipe.params) if recipe else ("", None)
        samples = gather(table, data, name, params, scratch, in_order)
        del table  # and what it holds
    firsts = first_of_equals(samples)
    counts = {"read": len(samples.digests), "repeats": len(samples.digests) - len(firsts)}
    if data.clean.drop_duplicates:
        samples = without_duplicates(samples, firsts)
    counts["duplicates"] = counts["read"] - len(samples.digests)
    present = without_missing(samples, data.clean.missing)
    counts["missingDropped"] = len(samples.digests) - len(present.digests)
    samples = with_known_classes(present)
    dealt = deal(data.split, samples.digests, samples.occurrences, samples.labels.codes, samples.keys)
    with ExitStack() as written:
        writers: dict[str, TensorWriter] = {}

        def make_tensors(split: str, shapes: Mapping[str, Shape]) -> Tensors:
            writers[split] = written.enter_context(TensorWriter(data_dir / shard_name(split), shapes))
            return writers[split].tensors

        result = transform(samples, dealt, data, make_tensors, in_order)
        counts |= {"outliersDropped": result.outliers_dropped, "outliersClipped": result.outliers_clipped}
        counts |= {COUNT_NAMES[split]: len(shard) for split, shard in result.shards.items()}
        in_test, in_training = (samples.digests[dealt == split] for split in (TEST, TRAIN))
        counts["testAlsoInTraining"] = int(are_among(in_test, in_training).sum())
        _demand_enough(counts, samples, result.shards["train"], spec, data)
        document = _document(samples, result, counts, data, scratch)
    return document | {"files": {shard_name(split): writers[split].entry for split in SPLITS}}


def _document(samples: Samples, result: Transformed, counts: dict[str, int], data: Data, scratch: Scratch) -> Document:
    """What prepare.json says, without its files."""
    of_labels, warnings = _about_labels(samples, result, data)
    return {
        "columns": list(samples.columns),
        "columnTypes": _types(samples),
        "missingValues": list(data.missing_values),
        "leftOut": list(samples.left_out),
        "label": samples.label,
        "task": samples.task.kind,
        "taskChosen": samples.task.why,
        "counts": counts,
        **of_labels,
        **fitted_to_json(result.fitted, samples.columns, data.clean.outliers.to_json_object(), data.normalize),
        "warnings": [*samples.warnings, *doubtful_repeats(counts), *warnings, *result.warnings],
        **({"labelIssues": _label_issues(samples, result, scratch)} if data.clean.label_issues == "report" else {}),
        "versions": versions_of("numpy", "polars"),
    }


def _demand_enough(
    counts: dict[str, int], samples: Samples, training: Shard, spec: TrainingJobSpec, data: Data
) -> None:
    demand_rows_for_ranks(counts["training"], spec)
    demand_rows_in_splits(counts, data.split)
    if samples.labels.numbers is not None:
        if (training.labels == training.labels[0]).all():
            raise BadData(
                f'data: all {len(training.labels)} training rows have the same number in column "{samples.label}"; '
                "give more rows"
            )
        return
    present = np.flatnonzero(np.bincount(training.labels))
    if len(present) < 2:
        raise BadData(
            f"data: all {len(training.labels)} training rows have the class {samples.labels.classes[present[0]]!r} in "
            f'column "{samples.label}"; give more rows, or set spec.data.split.method to stratified'
        )
    params = spec.recipe.params if spec.recipe else None
    limit = params.classes if isinstance(params, ClassifierParameters) else None
    if limit is not None and len(samples.labels.classes) > limit:
        raise BadSpec(
            f'spec.recipe.params.classes: {limit}, but column "{samples.label}" has {len(samples.labels.classes)} '
            "classes; raise it, or leave it out"
        )


def _types(samples: Samples) -> list[str]:
    """[columns]: boolean, date, text or number."""
    types = ["number" if texts is None else "text" for texts in samples.texts]
    for kind, are in (("boolean", samples.are_truths), ("date", samples.are_dates)):
        types = [kind if is_one else found for found, is_one in zip(types, are.tolist(), strict=True)]
    return types


def _about_labels(samples: Samples, result: Transformed, data: Data) -> tuple[dict[str, Any], list[str]]:
    """What prepare.json says of the labels, and what to warn of."""
    document: dict[str, Any] = {
        "classes": list(samples.labels.classes),
        "classesAsWritten": list(samples.labels.written),
    }
    if result.label_scaler is not None:
        (mean,), (scale,) = result.label_scaler.mean.tolist(), result.label_scaler.scale.tolist()
        return {**document, "labelScaler": {"method": data.normalize, "mean": mean, "scale": scale}}, []
    histogram = {split: _histogram(shard, samples) for split, shard in result.shards.items()}
    shares = {split: _shares(rows) for split, rows in histogram.items()}
    doubts = doubtful_classes(samples.label, samples.labels.written, histogram, data.split.method)
    return {**document, "labelHistogram": histogram, "classShares": shares}, list(doubts)


def _histogram(shard: Shard, samples: Samples) -> list[int]:
    """Rows by class, in the order of `classes`."""
    return [int(count) for count in np.bincount(shard.labels, minlength=len(samples.labels.classes))]


def _shares(histogram: list[int]) -> list[float]:
    """The share of each class in its split."""
    rows = sum(histogram)
    return [round(count / rows, 6) if rows else 0.0 for count in histogram]


def _label_issues(samples: Samples, result: Transformed, scratch: Scratch) -> dict[str, Any]:
    training = result.shards["train"]
    rows = result.training_rows[
        suspicious_rows(training.features, samples.labels.codes[result.training_rows], Scratch(None))
    ]
    return {"count": len(rows), samples.place_word + "s": samples.places[rows[:_MOST_LISTED]].tolist()}
