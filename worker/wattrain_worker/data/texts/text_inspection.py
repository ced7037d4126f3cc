"""What texts a source has, and the data of a job that trains a model of the next token on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wattrain_api.data import Data, Source, Text
from wattrain_api.inspected import InspectedFolder
from wattrain_api.registered import GptParameters, GptRecipe
from wattrain_worker.data.source_files import SourceFiles
from wattrain_worker.data.texts.documents import Document, read_documents
from wattrain_worker.data.texts.text_splits import split_texts
from wattrain_worker.data.trial import tried, with_shares
from wattrain_worker.errors import BadData

_BYTES_A_TOKEN_OF_VOCABULARY: Final = 200
_SMALLEST_VOCABULARY, _LARGEST_VOCABULARY = 512, 8192
_BYTES_A_WINDOW_TOKEN: Final = 240
"""Of all text, for each token of a window: 8 windows in a tenth of the text, at 3 bytes a token."""
_SHORTEST_WINDOW, _LONGEST_WINDOW = 16, 128
_SEEDS: Final = 20
"""Of the split, that are tried where few documents leave one empty."""


def inspect_texts(source: Source, files: SourceFiles) -> InspectedFolder:
    """The texts of `files`, which is `source`. BadData where there are too few to train on."""
    documents = read_documents(files).found
    size = sum(len(document.text.encode()) for document in documents)
    text = Text(
        vocabulary_size=_power_of_two(size // _BYTES_A_TOKEN_OF_VOCABULARY, _SMALLEST_VOCABULARY, _LARGEST_VOCABULARY),
        sequence_length=_power_of_two(size // _BYTES_A_WINDOW_TOKEN, _SHORTEST_WINDOW, _LONGEST_WINDOW),
    )
    data, document = tried(_dealt(Data(source=source, text=text), documents), "gpt")
    counts = document["counts"]
    return InspectedFolder(
        recipe=GptRecipe(name="gpt", params=GptParameters(dropout=0.1)),
        data=data,
        found=len(documents),
        text_bytes=size,
        training=counts["training"],
        validation=counts["validation"],
        test=counts["test"],
        warnings=tuple(document["warnings"]),
    )


def _dealt(data: Data, documents: list[Document]) -> Iterator[Data]:
    """`data` with splits of which none is empty: first those that come near their shares."""
    seeds = range(_SEEDS if len(documents) > 1 else 1)
    others = list[Data]()
    for proposal in with_shares(data, len(documents)):
        for seed in seeds:
            seeded = proposal.model_copy(update={"split": proposal.split.model_copy(update={"seed": seed})})
            try:
                found = split_texts(documents, seeded.split)
            except BadData:
                continue
            if not found.warnings:
                yield seeded
                break
            others.append(seeded)
    yield from others or [data]


def _power_of_two(wanted: int, least: int, most: int) -> int:
    return 1 << (min(max(wanted, least), most).bit_length() - 1)
