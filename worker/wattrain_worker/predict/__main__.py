"""The process of `wattrain predict`, which has checked the arguments: MODEL, and FILE or a split, and how to answer."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from wattrain_api.data import Source
from wattrain_api.names import FILE_MODEL
from wattrain_api.recipe_parameters import SampleKind
from wattrain_worker.data.naming import naming_source
from wattrain_worker.data.prepared_data import samples_of
from wattrain_worker.errors import BadSpec, StorageUnavailable, WorkerError
from wattrain_worker.predict.forms import WRITERS
from wattrain_worker.predict.predictions import Predictions, predict_split
from wattrain_worker.train.exported import ExportedModel, load_exported
from wattrain_worker.train.onnx_export import FILE_ONNX

_EXIT_FAILED = 1
_EXIT_BAD_INPUT = 2
_EXIT_INTERRUPTED = 130
_EXTRAS: Final[dict[SampleKind, str]] = {"image": "images", "text": "text"}
"""What is to be installed for a kind of samples."""


def main(arguments: list[str]) -> int:
    """Predict, and return the exit code of `wattrain predict`. What is wrong is one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m wattrain_worker.predict", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--file")
    parser.add_argument("--split", choices=("train", "validation", "test"))
    parser.add_argument("--output", choices=tuple(WRITERS), default="text")
    parser.add_argument("--probabilities", action="store_true")
    chosen = parser.parse_args(arguments)
    as_onnx = chosen.model.name == FILE_ONNX
    directory = chosen.model.parent if as_onnx else chosen.model
    directory = directory if as_onnx or (directory / FILE_MODEL).exists() else directory / "model"
    try:
        model = load_exported(directory, as_onnx=as_onnx)
        source = None if chosen.file is None else _source(chosen.file)
        if chosen.probabilities and model.task != "classification":
            raise BadSpec(f"--probabilities: the model in {directory} chooses no class ({model.task}); leave it out")
        found = _predict(model, directory, source, chosen.split)
        WRITERS[chosen.output](found, sys.stdout, sys.stderr, probabilities=chosen.probabilities)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has enough; the interpreter must not complain of it at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _EXIT_FAILED
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except WorkerError as error:
        sys.stderr.write(f"error: {' '.join(str(error).splitlines())}\n")
        return _EXIT_FAILED if isinstance(error, StorageUnavailable) else _EXIT_BAD_INPUT
    return 0


def _predict(model: ExportedModel, directory: Path, source: Source | None, split: str | None) -> Predictions:
    """Of `source`, or of `split`, by the kind of samples that the model was trained on."""
    kind = samples_of(model.document)
    try:
        if source is None:
            return _predict_split(model, directory, split or "")
        with naming_source(source):
            return _predict_file(model, directory, source)
    except ImportError as error:
        if kind not in _EXTRAS:
            raise
        raise BadSpec(
            f"{directory}: the model's samples are of the kind {kind}, for which a package is missing ({error}); pip "
            f"install 'wattrain[{_EXTRAS[kind]}]'"
        ) from error


def _predict_file(model: ExportedModel, directory: Path, source: Source) -> Predictions:
    """Each kind is imported where it is needed: some need packages that others do without."""
    if samples_of(model.document) == "image":
        from wattrain_worker.predict.image_predictions import predict_pictures

        return predict_pictures(model, source)
    if samples_of(model.document) == "text" and model.task != "classification":
        from wattrain_worker.predict.text_predictions import predict_texts

        return predict_texts(model, directory, source)
    if samples_of(model.document) == "text":
        from wattrain_worker.predict.text_class_predictions import predict_text_classes

        return predict_text_classes(model, directory, source)
    if samples_of(model.document) == "interactions":
        from wattrain_worker.predict.item_predictions import predict_items

        return predict_items(model, source)
    from wattrain_worker.predict.table_predictions import predict_rows

    return predict_rows(model, source)


def _predict_split(model: ExportedModel, directory: Path, split: str) -> Predictions:
    if samples_of(model.document) == "text" and model.task != "classification":
        from wattrain_worker.predict.text_predictions import predict_windows

        return predict_windows(model, directory, split)
    return predict_split(model, directory, split)


def _source(file: str) -> Source:
    """`digits` is the data set that the worker brings, unless there is a file of this name."""
    return Source(builtin="digits") if file == "digits" and not Path(file).exists() else Source(uri=file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
