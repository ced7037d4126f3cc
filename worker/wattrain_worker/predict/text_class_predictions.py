"""Which class a model chooses of texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wattrain_api.data import Source
from wattrain_worker.data.prepared_data import read_companion
from wattrain_worker.data.source_files import opened
from wattrain_worker.data.texts.byte_pairs import FILE_TOKENIZER
from wattrain_worker.data.texts.documents import read_documents
from wattrain_worker.data.texts.prepare_text_classes import encoded_texts
from wattrain_worker.data.texts.text_labels import label_names
from wattrain_worker.data.texts.word_pieces import WordPieces
from wattrain_worker.errors import BadData
from wattrain_worker.predict.class_names import about_names, known_by_name
from wattrain_worker.predict.predictions import Predictions, asked
from wattrain_worker.train.exported import ExportedModel


def predict_text_classes(model: ExportedModel, model_dir: Path, source: Source) -> Predictions:
    """Predict the class of each document of `source`, read as for the training. BadData where there are none. Where the
    source names classes of the model, they are its labels."""
    field, length = model.document["label"], model.document["text"]["sequenceLength"]
    documents = read_documents(opened(source), field)
    tokenizer = WordPieces(read_companion(model_dir, FILE_TOKENIZER, model.document))
    encoded = encoded_texts(tokenizer, [document.text for document in documents.found], length)
    try:
        names = label_names(documents.found, field)
    except BadData:  # folders that are named like splits name no classes
        names = [None] * len(documents.found)
    labels = known_by_name(model, names)
    whole = np.ones(len(names), np.bool_)
    answers = asked(model, encoded.tokens.astype(np.int64), whole, labels)
    notes = about_names(model, names, "texts", "folder" if field is None else f"field {field}")
    if documents.blank:
        notes.append(f"{documents.blank:,} lines have an empty text, and no prediction")
    if encoded.cut:
        notes.append(
            f"{encoded.cut:,} texts are longer than {length - 2} tokens: the model sees the beginning of these"
        )
    return Predictions(
        place_word="document",
        places=tuple(document.place for document in documents.found),
        predicted=answers.predicted,
        labels=None if labels is None else tuple(names),
        metrics=answers.metrics,
        notes=(*notes, *documents.warnings),
        classes=model.written,
        probabilities=answers.probabilities,
    )
