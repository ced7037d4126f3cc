"""What a model predicts of pictures: one, a folder, or those of tars."""

from __future__ import annotations

import tempfile
from typing import Final

import numpy as np
import numpy.typing as npt

from wattrain_api.data import Source
from wattrain_worker.data.images.find_pictures import Picture, find_pictures
from wattrain_worker.data.images.picture_decoding import UnreadablePicture
from wattrain_worker.data.images.read_pictures import read_pictures
from wattrain_worker.data.labels import MISSING_LABEL
from wattrain_worker.data.source_files import opened
from wattrain_worker.data.table import listed
from wattrain_worker.predict.predictions import UNKNOWN, Known, Predictions, asked
from wattrain_worker.train.exported import ExportedModel

_MOST_NAMED: Final = 3


def predict_pictures(model: ExportedModel, source: Source) -> Predictions:
    """Predict every picture of `source`, decoded as for the training. Pixels lie in a file without a name, not in
    memory. BadData where there are no pictures; one that cannot be read has no prediction.

    Where folders or .cls files name classes of the model, they are its labels.
    """
    pictures, size = find_pictures(opened(source)).pictures, model.document["image"]["size"]
    unreadable: list[str] = []
    with tempfile.TemporaryFile() as scratch:
        pixels = np.memmap(scratch, np.uint8, "w+", shape=(len(pictures), 3, size, size))
        whole = np.ones(len(pictures), np.bool_)
        for number, (picture, found) in enumerate(read_pictures(pictures, size)):
            if isinstance(found, UnreadablePicture):
                whole[number] = False
                unreadable.append(f"{picture.name} ({found})")
            else:
                pixels[number] = found
        codes = _codes(model, pictures)
        is_labelled = bool((codes >= 0).any())
        labels = Known(codes, codes != MISSING_LABEL, codes >= 0) if is_labelled else None
        answers = asked(model, pixels, whole, labels)
    notes = _about_labels(pictures, codes, is_labelled=is_labelled)
    if unreadable:
        notes.append(
            f"{len(unreadable):,} files are no pictures that can be read, and have no prediction: "
            f"{listed(unreadable, _MOST_NAMED)}"
        )
    return Predictions(
        place_word="file",
        places=tuple(picture.name for picture in pictures),
        predicted=answers.predicted,
        labels=tuple(picture.label for picture in pictures) if is_labelled else None,
        metrics=answers.metrics,
        notes=tuple(notes),
        classes=model.written,
        probabilities=answers.probabilities,
    )


def _codes(model: ExportedModel, pictures: tuple[Picture, ...]) -> npt.NDArray[np.int64]:
    """[pictures]: the model's code of each one's class, MISSING_LABEL, or UNKNOWN."""
    known = {written: code for code, written in enumerate(model.written)}
    labels = [picture.label for picture in pictures]
    return np.array([MISSING_LABEL if each is None else known.get(each, UNKNOWN) for each in labels], np.int64)


def _about_labels(pictures: tuple[Picture, ...], codes: npt.NDArray[np.int64], *, is_labelled: bool) -> list[str]:
    unknown = sorted({str(pictures[number].label) for number in np.flatnonzero(codes == UNKNOWN).tolist()})
    if not unknown:
        return []
    if not is_labelled:
        return [f"no folder or .cls file has the name of a class of the model, such as {unknown[0]!r}: no accuracy"]
    return [
        f"labels of {(codes == UNKNOWN).sum():,} pictures are no classes of the model, and count as wrong: "
        f"{listed(unknown)}"
    ]
