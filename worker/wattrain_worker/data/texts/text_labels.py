"""Classes of texts."""

from __future__ import annotations

from wattrain_worker.data.named_classes import NamedClasses, named_classes, names_of_folders
from wattrain_worker.data.texts.documents import Document
from wattrain_worker.errors import BadData


def label_names(documents: list[Document], field: str | None) -> list[str | None]:
    """The class of each document as the source writes it: what `field` says, or without one its folder."""
    if field is not None:
        return [document.label for document in documents]
    return names_of_folders([document.place for document in documents])


def labels_of_documents(documents: list[Document], field: str | None) -> NamedClasses:
    """The classes of `documents`. BadData where one has none, or all have the same."""
    names = label_names(documents, field)
    if None in names:
        first, without = documents[names.index(None)], names.count(None)
        remedy = (
            "lay each .txt file into a folder named as its class, or name the field of .jsonl lines that has the "
            "class in spec.data.label"
            if field is None
            else f'write "{field}": a text, a whole number, true or false, into each line, or correct spec.data.label'
        )
        raise BadData(f"data: {first.place} has no class ({without} of {len(names)} texts have none); {remedy}")
    return named_classes([name for name in names if name is not None], "texts")
