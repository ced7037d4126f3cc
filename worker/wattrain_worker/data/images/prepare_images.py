"""Pictures, decoded once, dealt by what they show, and written as pixels. Means are fitted on the training split alone.

The same input gives the same bytes. Whatever its number, a picture a thread and those that wait are in memory, besides
a tar that is being read: pixels lie in a file until it is known to which split they belong.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wattrain_api.contract.progress import READING, WRITING
from wattrain_api.data import Data
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.images.find_pictures import FoundPictures, Picture, find_pictures
from wattrain_worker.data.images.image_labels import labels_of
from wattrain_worker.data.images.picture_decoding import UnreadablePicture
from wattrain_worker.data.images.pixel_scale import PixelScale
from wattrain_worker.data.images.read_pictures import Unreadable, read_pictures
from wattrain_worker.data.named_classes import (
    NamedClasses,
    demand_few_classes,
    demand_two_classes,
    never_trained,
    shares_of,
)
from wattrain_worker.data.prepare_progress import SampleCounter
from wattrain_worker.data.prepared_data import SPLITS, shard_name
from wattrain_worker.data.preparer import (
    COUNT_NAMES,
    Document,
    Folders,
    SampleSource,
    demand_rows_for_ranks,
    demand_rows_in_splits,
    versions_of,
)
from wattrain_worker.data.row_digests import Digests, are_among, digests_of, first_occurrences
from wattrain_worker.data.shard_file import TensorWriter
from wattrain_worker.data.source_files import SourceFiles, opened
from wattrain_worker.data.split import TEST, TRAIN, Deal, deal
from wattrain_worker.errors import BadData

_FILE_PIXELS: Final = "pixels.unfinished"
_MANY_REPEATS: Final = 0.1
"""From this share of the pictures on, repeats are warned of."""
AllPixels = npt.NDArray[np.uint8]
"""[pictures, 3, size, size]"""


def prepare_images(spec: TrainingJobSpec, data: Data, folders: Folders) -> SampleSource:
    """The pictures of a folder or of tars."""
    source = opened(data.source, folders.claims)
    return SampleSource(source.identity, functools.partial(_prepared, spec, data, source))


@dataclass(frozen=True)
class _Samples:
    """The pictures that could be decoded, in the order of the source."""

    pixels: AllPixels
    labels: NamedClasses
    digests: Digests
    """Of the pixels: pictures that look the same have the same, whatever their files are."""


def _prepared(spec: TrainingJobSpec, data: Data, source: SourceFiles, data_dir: Path) -> Document:
    found = find_pictures(source)
    demand_few_classes(labels_of(found.pictures), spec, "pictures")  # before hours of decoding
    unreadable = Unreadable(data.image.max_corrupt, len(found.pictures))
    scratch = data_dir / _FILE_PIXELS
    try:
        samples = _decoded(found.pictures, data.image.size, scratch, unreadable)
        no_copies = np.zeros(len(samples.digests), np.int64)  # pictures that look the same stay together
        dealt = deal(data.split, samples.digests, no_copies, samples.labels.codes, None)
        counts = _counts(samples, dealt) | {"read": len(found.pictures), "unreadable": unreadable.count}
        demand_rows_for_ranks(counts["training"], spec)
        demand_rows_in_splits(counts, data.split)
        histogram = samples.labels.histogram(dealt)
        demand_two_classes(samples.labels, histogram["train"], "pictures")
        scale, files = _written(samples, dealt, data_dir)
    finally:
        scratch.unlink(missing_ok=True)
    return {
        "samples": "image",
        "task": "classification",
        "image": {"size": data.image.size},
        "pixels": scale.to_json_object(),
        "counts": counts,
        "classes": list(samples.labels.classes),
        "classesAsWritten": list(samples.labels.written),
        "labelHistogram": histogram,
        "classShares": shares_of(histogram),
        "warnings": [*unreadable.warnings(), *_doubts(found, samples, counts, histogram)],
        "versions": versions_of("numpy", "pillow"),
        "files": files,
    }


def _decoded(pictures: tuple[Picture, ...], size: int, scratch: Path, unreadable: Unreadable) -> _Samples:
    pixels = np.memmap(scratch, np.uint8, "w+", shape=(len(pictures), 3, size, size))
    kept, digests = list[Picture](), list[Digests]()
    decoded = SampleCounter(READING, len(pictures))
    for picture, found in read_pictures(pictures, size):
        decoded.add()
        if isinstance(found, UnreadablePicture):
            unreadable.add(picture, found)
            continue
        pixels[len(kept)] = found
        digests.append(digests_of([found.tobytes()]))
        kept.append(picture)
    decoded.end()
    if not kept:
        raise BadData(f"data: none of {len(pictures)} pictures can be read; {next(unreadable.warnings())}; mend them")
    return _Samples(pixels[: len(kept)], labels_of(tuple(kept)), np.concatenate(digests))


def _written(samples: _Samples, dealt: Deal, data_dir: Path) -> tuple[PixelScale, dict[str, dict[str, Any]]]:
    """The shards; and the scale of pixels, by those of the training split alone."""
    scale, files, written = PixelScale(), {}, SampleCounter(WRITING, len(dealt))
    for number, split in enumerate(SPLITS):
        rows = np.flatnonzero(dealt == number)
        shapes: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
            "images": ((len(rows), *samples.pixels.shape[1:]), np.uint8),
            "labels": ((len(rows),), np.int64),
        }
        with TensorWriter(data_dir / shard_name(split), shapes) as writer:
            for place, row in enumerate(rows.tolist()):
                writer.tensors["images"][place] = samples.pixels[row]
                written.add()
                if number == TRAIN:
                    scale.add(samples.pixels[row])
            writer.tensors["labels"][:] = samples.labels.codes[rows]
        files[shard_name(split)] = writer.entry
    written.end()
    return scale, files


def _counts(samples: _Samples, dealt: Deal) -> dict[str, int]:
    firsts = first_occurrences(samples.digests, samples.labels.codes)
    in_test, in_training = (samples.digests[dealt == split] for split in (TEST, TRAIN))
    return {
        "repeats": len(samples.digests) - len(firsts),
        "testAlsoInTraining": int(are_among(in_test, in_training).sum()),
        **{COUNT_NAMES[split]: int((dealt == number).sum()) for number, split in enumerate(SPLITS)},
    }


def _doubts(
    found: FoundPictures, samples: _Samples, counts: dict[str, int], histogram: dict[str, list[int]]
) -> Iterator[str]:
    """What can be trained on, and may not be what the user means."""
    if found.others:
        yield (
            f"{len(found.others):,} files are no pictures by their names, and are not used, the first: "
            f"{found.others[0]!r}"
        )
    alike = len(first_occurrences(samples.digests, np.zeros_like(samples.labels.codes)))
    if contradicting := len(samples.digests) - counts["repeats"] - alike:
        yield (
            f"{contradicting:,} pictures look like an earlier one of another class, so that no model can tell them "
            "apart; correct their classes"
        )
    if counts["repeats"] > _MANY_REPEATS * len(samples.digests):
        yield (
            f"{counts['repeats']:,} of {len(samples.digests):,} pictures repeat an earlier one of their class, and "
            "count as often as they are there; they are in the same split"
        )
    yield from never_trained(samples.labels, histogram["train"], "picture")
