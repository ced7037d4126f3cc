"""What pictures a source has, by decoding some of them, and the data of a job that tells their classes apart.

Few pictures are prepared once for a try. Of many a part is decoded, and they are dealt by their names: the shares of
`stratified` do not depend on what they show.
"""

from __future__ import annotations

import math
import statistics
from typing import Final

import numpy as np

from wattrain_api.data import Data, Image, Source, Split
from wattrain_api.inspected import InspectedFolder, SeenClass
from wattrain_api.registered import ResnetParameters, ResnetRecipe
from wattrain_worker.data.images.find_pictures import Picture, find_pictures
from wattrain_worker.data.images.image_labels import labels_of
from wattrain_worker.data.images.picture_decoding import UnreadablePicture, shorter_side
from wattrain_worker.data.row_digests import digests_of
from wattrain_worker.data.source_files import SourceFiles
from wattrain_worker.data.split import deal
from wattrain_worker.data.trial import SAMPLES_FOR_DEFAULT_SHARES, tried, with_shares
from wattrain_worker.errors import BadData

_LOOKED_AT: Final = 100
_SIZES: Final = (32, 48, 64, 96, 128)
"""Of a proposal: a step on larger pictures takes long without a GPU."""
_FEW: Final = 200
"""Training pictures below which means over a batch are too uncertain to normalise by."""
_FEWEST_PER_CENT: Final = 1


def inspect_pictures(source: Source, files: SourceFiles) -> InspectedFolder:
    """The pictures of `files`, which is `source`. BadData where no training could learn from them."""
    found = find_pictures(files)
    pictures = found.pictures
    labels = labels_of(pictures)
    step = max(1, len(pictures) // _LOOKED_AT)
    looked_at = pictures[::step][:_LOOKED_AT]
    sides, first = _sides(looked_at)
    if not sides:
        raise BadData(f"data: none of {len(looked_at)} pictures can be decoded, the first: {first}; write them again")
    unreadable = len(looked_at) - len(sides)
    data = Data(
        source=source,
        image=Image(size=_size(sides), max_corrupt=_most_corrupt(unreadable, len(looked_at))),
        split=Split(method="stratified"),
    )
    warnings: tuple[str, ...] = ()
    if len(pictures) < SAMPLES_FOR_DEFAULT_SHARES:
        # Each picture is decoded: one that was not looked at may be unreadable as well.
        most = Image(size=data.image.size, max_corrupt=0.99)
        data, document = tried(with_shares(data.model_copy(update={"image": most}), len(pictures)), "resnet")
        counts, looked_at, warnings = document["counts"], pictures, tuple(document["warnings"])
        dealt = [counts[name] for name in ("training", "validation", "test")]
        unreadable = counts["unreadable"]
        image = Image(size=data.image.size, max_corrupt=_most_corrupt(unreadable, len(pictures)))
        data = data.model_copy(update={"image": image})
    else:
        names = digests_of(picture.name.encode() for picture in pictures)
        splits = deal(data.split, names, np.zeros(len(names), np.int64), labels.codes, None)
        dealt = np.bincount(splits, minlength=3).tolist()
        if unreadable:
            warnings = (f"{unreadable} of {len(looked_at)} pictures that were looked at cannot be decoded: {first}",)
    rows = np.bincount(labels.codes, minlength=len(labels.classes)).tolist()
    return InspectedFolder(
        recipe=ResnetRecipe(
            name="resnet", params=ResnetParameters(norm="group" if dealt[0] < _FEW else "batch", stem="standard")
        ),
        data=data,
        found=len(pictures),
        classes=tuple(SeenClass(name=name, rows=count) for name, count in zip(labels.written, rows, strict=True)),
        shorter_sides=(min(sides), round(statistics.median(sides)), max(sides)),
        looked_at=len(looked_at),
        unreadable=unreadable,
        training=dealt[0],
        validation=dealt[1],
        test=dealt[2],
        warnings=warnings,
    )


def _sides(pictures: tuple[Picture, ...]) -> tuple[list[int], str]:
    """The shorter side of each that can be decoded; and of the first that cannot, its name and why."""
    sides, first = [], ""
    for picture in pictures:
        try:
            sides.append(shorter_side(picture.read()))
        except UnreadablePicture as error:
            first = first or f"{picture.name!r} ({error})"
    return sides, first


def _size(sides: list[int]) -> int:
    median = statistics.median(sides)
    return max((size for size in _SIZES if size <= median), default=_SIZES[0])


def _most_corrupt(unreadable: int, looked_at: int) -> float:
    """Twice the share that was seen, in whole per cents; 0 where none was."""
    per_cents = max(_FEWEST_PER_CENT, math.ceil(200 * unreadable / looked_at)) if unreadable else 0
    return min(per_cents, 99) / 100
