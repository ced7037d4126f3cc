"""What a model predicts of pictures: one, a folder, or those of tars."""

from __future__ import annotations

import tempfile
from typing import Final

import numpy as np

from wattrain_api.data import Source
from wattrain_worker.data.images.find_pictures import find_pictures
from wattrain_worker.data.images.picture_decoding import UnreadablePicture
from wattrain_worker.data.images.read_pictures import read_pictures
from wattrain_worker.data.source_files import opened
from wattrain_worker.data.table import listed
from wattrain_worker.errors import BadData
from wattrain_worker.predict.class_names import about_names, known_by_name
from wattrain_worker.predict.predictions import Predictions, asked
from wattrain_worker.train.exported import ExportedModel

_MOST_NAMED: Final = 3


def predict_pictures(model: ExportedModel, source: Source) -> Predictions:
    """Predict every picture of `source`, decoded as for the training. Pixels lie in a file without a name, not in
    memory. BadData where there are none that can be read; one that cannot has no prediction.

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
        if not whole.any():
            raise BadData(
                f"data: no file is a picture that can be read: {listed(unreadable, _MOST_NAMED)}; give whole pictures"
            )
        names = [picture.label for picture in pictures]
        labels = known_by_name(model, names)
        answers = asked(model, pixels, whole, labels)
    notes = about_names(model, names, "pictures", "folder or .cls file")
    if unreadable:
        notes.append(
            f"{len(unreadable):,} files are no pictures that can be read, and have no prediction: "
            f"{listed(unreadable, _MOST_NAMED)}"
        )
    return Predictions(
        place_word="file",
        places=tuple(picture.name for picture in pictures),
        predicted=answers.predicted,
        labels=None if labels is None else tuple(names),
        metrics=answers.metrics,
        notes=tuple(notes),
        classes=model.written,
        probabilities=answers.probabilities,
    )
