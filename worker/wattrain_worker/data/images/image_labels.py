"""Classes of pictures."""

from __future__ import annotations

from wattrain_worker.data.images.find_pictures import Picture
from wattrain_worker.data.named_classes import NamedClasses, named_classes
from wattrain_worker.errors import BadData


def labels_of(pictures: tuple[Picture, ...]) -> NamedClasses:
    """The classes of `pictures`. BadData where one has none, or all have the same."""
    names = [picture.label for picture in pictures]
    if None in names:
        first, without = pictures[names.index(None)], names.count(None)
        raise BadData(
            f"data: {first.name!r} has no class ({without} of {len(names)} pictures have none); lay each picture into "
            "a folder named as its class, or, in a tar, give each picture a .cls file with its class"
        )
    return named_classes([name for name in names if name is not None], "pictures")
