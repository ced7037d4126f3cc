"""The preparation as a whole, in an order that lets nothing leak from validation and test into training.

Schema, duplicates, missing values, classes, split; then, fitted on the training split alone, outliers, fill values and
scaler; at last shards, and prepare.json when all of them are whole. The same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from wattrain_api.data import Data
from wattrain_api.names import FILE_PREPARE
from wattrain_api.recipe_parameters import ClassifierParameters
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.doubts import doubtful_classes, doubtful_repeats
from wattrain_worker.data.features import fitted_to_json
from wattrain_worker.data.label_issues import suspicious_rows
from wattrain_worker.data.prepared_data import (
    PREPARE_VERSION,
    SPLITS,
    Shard,
    read_document,
    shard_name,
    verify_files,
    write_document,
    write_shard,
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
from wattrain_worker.data.sources import CLAIMS_DIR, SourceFile, fetched
from wattrain_worker.data.split import TEST, TRAIN, deal
from wattrain_worker.data.transform import Transformed, transform
from wattrain_worker.errors import BadData, BadSpec, StorageUnavailable, WorkerError

_MOST_LISTED: Final = 20
_LIBRARIES: Final = ("wattrain", "numpy", "polars", "safetensors")


@dataclass(frozen=True)
class Preparation:
    """What a preparation came to."""

    document: dict[str, Any]
    """prepare.json"""
    was_there: bool
    """Whether the directory held it already, verified, so that nothing was done."""


def prepare(spec: TrainingJobSpec, data_dir: Path, claims_dir: Path = CLAIMS_DIR) -> Preparation:
    """Prepare the data of `spec` in `data_dir`, unless it lies there already.

    Raises a WorkerError, whose text is for the user and whose exit_code is for the process.
    """
    data = _demand_data(spec)
    digest = _spec_hash(spec, data)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        source = fetched(data.source, claims_dir)
        document = _found(data_dir, digest, source)
        if document is not None:
            _demand_rows_for_ranks(document["counts"]["training"], spec)
            return Preparation(document, was_there=True)
        return Preparation(_prepared(spec, data, source, digest, data_dir), was_there=False)
    except OSError as error:
        raise StorageUnavailable(
            f"data directory {data_dir}: {error.strerror or error}; see that it has room and is writable for "
            "the user that the workers run as"
        ) from error


def _prepared(spec: TrainingJobSpec, data: Data, source: SourceFile, digest: str, data_dir: Path) -> dict[str, Any]:
    with ThreadPoolExecutor(1) as beside:
        beside.submit(lambda: source.sha256)
        recipe = spec.recipe
        table = read(source, data.missing_values)
        samples = gather(table, data, recipe.name if recipe else "", recipe.params if recipe else None)
    firsts = first_of_equals(samples)
    counts = {"read": len(samples.digests), "repeats": len(samples.digests) - len(firsts)}
    if data.clean.drop_duplicates:
        samples = without_duplicates(samples, firsts)
    counts["duplicates"] = counts["read"] - len(samples.digests)
    present = without_missing(samples, data.clean.missing)
    counts["missingDropped"] = len(samples.digests) - len(present.digests)
    samples = with_known_classes(present)
    dealt = deal(data.split, samples.digests, samples.occurrences, samples.labels.codes, samples.keys)
    result = transform(samples, dealt, data)
    counts |= {"outliersDropped": result.outliers_dropped, "outliersClipped": result.outliers_clipped}
    counts |= {_COUNT_NAMES[split]: len(shard.labels) for split, shard in result.shards.items()}
    in_test, in_training = (samples.digests[dealt == split] for split in (TEST, TRAIN))
    counts["testAlsoInTraining"] = int(are_among(in_test, in_training).sum())
    _demand_enough(counts, samples, result.shards["train"], spec, data)
    of_labels, warnings = _about_labels(samples, result, data)
    warnings = [*samples.warnings, *doubtful_repeats(counts), *warnings, *result.warnings]
    document = {
        "version": PREPARE_VERSION,
        "specHash": digest,
        "source": source.to_json_object(),
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
        "warnings": warnings,
        **({"labelIssues": _label_issues(samples, result)} if data.clean.label_issues == "report" else {}),
        "versions": {library: importlib.metadata.version(library) for library in _LIBRARIES},
    }
    # An old prepare.json must not vouch for new shards, not even for a moment.
    (data_dir / FILE_PREPARE).unlink(missing_ok=True)
    with ThreadPoolExecutor(len(SPLITS)) as threads:  # hashing and waiting for the disk at once
        entries = threads.map(lambda split: write_shard(data_dir, split, result.shards[split]), SPLITS)
        document["files"] = {shard_name(split): entry for split, entry in zip(SPLITS, entries, strict=True)}
    write_document(data_dir, document)
    return document


_COUNT_NAMES: Final = {"train": "training", "validation": "validation", "test": "test"}


def _found(data_dir: Path, digest: str, source: SourceFile) -> dict[str, Any] | None:
    """The prepare.json of this very preparation, if all it lists is there and whole."""
    try:
        document = read_document(data_dir)
    except WorkerError:
        return None
    same = document.get("specHash") == digest and document.get("source") == source.to_json_object()
    return document if same and verify_files(data_dir, document) else None


def _spec_hash(spec: TrainingJobSpec, data: Data) -> str:
    recipe = spec.recipe.name if spec.recipe else ""
    canonical = json.dumps({"data": data.to_json_object(), "recipe": recipe}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _demand_data(spec: TrainingJobSpec) -> Data:
    if spec.data is None:
        raise BadSpec("spec.data: not given, so there is nothing to prepare; say where the samples come from")
    if spec.data.engine != "local":
        raise BadSpec(f"spec.data.engine: {spec.data.engine!r} is not supported yet; set it to 'local'")
    return spec.data


def _demand_rows_for_ranks(training_rows: int, spec: TrainingJobSpec) -> None:
    ranks = spec.workers.replicas * spec.workers.processes_per_worker
    if training_rows < ranks:
        raise BadData(
            f"data: {training_rows} training rows are fewer than the {ranks} ranks (spec.workers.replicas x "
            "processesPerWorker); lower them, or give more rows"
        )


def _demand_enough(
    counts: dict[str, int], samples: Samples, training: Shard, spec: TrainingJobSpec, data: Data
) -> None:
    _demand_rows_for_ranks(counts["training"], spec)
    for split, share in (("validation", data.split.validation), ("test", data.split.test)):
        if share > 0 and counts[split] == 0:
            raise BadData(
                f"data: the {split} split is empty: {len(samples.digests)} rows are left, and spec.data.split.{split} "
                f"is {share:g}; give more rows, raise the share, or set it to 0"
            )
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


def _label_issues(samples: Samples, result: Transformed) -> dict[str, Any]:
    training = result.shards["train"]
    rows = result.training_rows[suspicious_rows(training.features, samples.labels.codes[result.training_rows])]
    return {"count": len(rows), samples.place_word + "s": samples.places[rows[:_MOST_LISTED]].tolist()}
