"""Which of a source's files are pictures, and the class of each: by its folder, or by a file beside it (WebDataset)."""

from __future__ import annotations

import functools
import posixpath
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from wattrain_worker.data.named_classes import names_of_folders
from wattrain_worker.data.source_files import OneFile, SourceFiles, is_tar, members_of
from wattrain_worker.errors import BadData

ENDINGS: Final = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_CLASS: Final = ".cls"


@dataclass(frozen=True)
class Picture:
    """A picture of a source, not yet decoded."""

    name: str
    """Where it is: its path in the folder or tar; in a folder of tars with the tar's name first."""
    read: Callable[[], bytes]
    """Its content. InputMissing."""
    label: str | None
    """Its class as the source writes it; None where the source does not say."""


@dataclass(frozen=True)
class FoundPictures:
    """What a source has."""

    pictures: tuple[Picture, ...]
    others: tuple[str, ...]
    """Names of files that are neither pictures nor classes of them."""


@dataclass(frozen=True)
class _Member:
    """A file, wherever it is."""

    name: str
    path: str
    """In the folder or tar that it is in."""
    read: Callable[[], bytes]

    @property
    def key(self) -> str:
        """What a picture and its class have in common in a WebDataset: the name up to its first dot."""
        folder, name = posixpath.split(self.name)
        return posixpath.join(folder, name.split(".")[0])


def find_pictures(source: SourceFiles) -> FoundPictures:
    """The pictures of `source`, in its order. BadData where it has none."""
    members = list(_members(source.files))
    pictures = [member for member in members if member.name.lower().endswith(ENDINGS)]
    classes = [member for member in members if member.name.lower().endswith(_CLASS)]
    if not pictures:
        first = f", such as {members[0].name!r}" if members else ""
        raise BadData(
            f"data: none of the {len(members)} files of {source.name!r} is a picture{first}; give files that end in "
            f"{', '.join(ENDINGS)}"
        )
    labels = _from_files(pictures, classes) if classes else names_of_folders([picture.path for picture in pictures])
    known = {member.name for member in (*pictures, *classes)}
    others = tuple(member.name for member in members if member.name not in known)
    found = [Picture(each.name, each.read, label) for each, label in zip(pictures, labels, strict=True)]
    return FoundPictures(tuple(found), others)


def _members(files: Iterable[OneFile]) -> Iterator[_Member]:
    """The files of a source, and in place of each tar those in it."""
    held = _HeldTar()
    for file in files:
        if not is_tar(file.name):
            yield _Member(file.name, file.name, file.read)
            continue
        for index, member in enumerate(held.members(file)):
            yield _Member(f"{file.name}/{member.name}", member.name, functools.partial(held.read, file, index))


class _HeldTar:
    """One tar of several in memory, the last that was asked for: pictures are read in the order of the tars."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: OneFile | None = None
        self._found: list[OneFile] = []

    def members(self, tar: OneFile) -> list[OneFile]:
        """The files in `tar`. BadData where it is none."""
        with self._lock:
            if self._file is not tar:
                self._file, self._found = None, []  # before the next one is read
                self._found = members_of(tar.read(), tar.name)
                self._file = tar
            return self._found

    def read(self, tar: OneFile, index: int) -> bytes:
        """The content of one of them."""
        return self.members(tar)[index].read()


def _from_files(pictures: list[_Member], classes: list[_Member]) -> list[str | None]:
    labels = {member.key: _label_in(member) for member in classes}
    without = {member.key: member.name for member in classes}
    for picture in pictures:
        without.pop(picture.key, None)
    if without:
        name = next(iter(without.values()))
        raise BadData(
            f"data: {name!r} names the class of a picture that is not there ({len(without)} such files); add the "
            "picture, or remove the file"
        )
    return [labels.get(picture.key) for picture in pictures]


def _label_in(member: _Member) -> str:
    try:
        label = member.read().decode().strip()
    except UnicodeDecodeError as error:
        raise BadData(f"data: {member.name!r} is no text in UTF-8; write the name or number of a class") from error
    if not label or "\n" in label:
        what = "is empty" if not label else "has several lines"
        raise BadData(f"data: {member.name!r} {what}; write the name or number of one class")
    return label
