"""The preparation of a job's data, whatever a sample is: once, and verified where it was done before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from wattrain_api.data import Data
from wattrain_api.names import FILE_PREPARE
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.naming import naming_source
from wattrain_worker.data.prepared_data import PREPARE_VERSION, read_document, verify_files, write_document
from wattrain_worker.data.preparer import Document, Folders, SampleSource, demand_rows_for_ranks
from wattrain_worker.data.preparers import find_preparer
from wattrain_worker.data.sources import CLAIMS_DIR
from wattrain_worker.errors import BadSpec, StorageUnavailable, WorkerError


@dataclass(frozen=True)
class Preparation:
    """What a preparation came to."""

    document: Document
    """prepare.json"""
    was_there: bool
    """Whether the directory held it already, verified, so that nothing was done."""


def prepare(spec: TrainingJobSpec, data_dir: Path, claims_dir: Path = CLAIMS_DIR) -> Preparation:
    """Prepare the data of `spec` in `data_dir`, unless it lies there already.

    Raises a WorkerError, whose text is for the user and whose exit_code is for the process.
    """
    data, recipe = _demand_data(spec), spec.recipe
    digest = _spec_hash(spec, data)
    prepare_kind = find_preparer(recipe.params.SAMPLES if recipe else "table", recipe.name if recipe else "")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with naming_source(data.source):
            source = prepare_kind(spec, data, Folders(claims_dir, data_dir))
            document = _found(data_dir, digest, source)
            if document is not None:
                demand_rows_for_ranks(document["counts"]["training"], spec)
                return Preparation(document, was_there=True)
            # An old prepare.json must not vouch for new shards, not even for a moment.
            (data_dir / FILE_PREPARE).unlink(missing_ok=True)
            document = source.write(data_dir)
        document |= {"version": PREPARE_VERSION, "specHash": digest, "source": source.identity()}
        write_document(data_dir, document)
        return Preparation(document, was_there=False)
    except OSError as error:
        raise StorageUnavailable(
            f"data directory {data_dir}: {error.strerror or error}; see that it has room and is writable for "
            "the user that the workers run as"
        ) from error


def _found(data_dir: Path, digest: str, source: SampleSource) -> Document | None:
    """The prepare.json of this very preparation, if all it lists is there and whole."""
    try:
        document = read_document(data_dir)
    except WorkerError:
        return None
    same = document.get("specHash") == digest and document.get("source") == source.identity()
    return document if same and verify_files(data_dir, document) else None


def _spec_hash(spec: TrainingJobSpec, data: Data) -> str:
    recipe = spec.recipe.name if spec.recipe else ""
    described = data.without_defaults()
    described.pop("engine", None)  # each gives the same bytes
    given: dict[str, object] = {"data": described, "recipe": recipe}
    if spec.training is not None and spec.training.initial_model is not None:
        given["initialModel"] = spec.training.initial_model.to_json_object()
    canonical = json.dumps(given, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _demand_data(spec: TrainingJobSpec) -> Data:
    if spec.data is None:
        raise BadSpec("spec.data: not given, so there is nothing to prepare; say where the samples come from")
    return spec.data
