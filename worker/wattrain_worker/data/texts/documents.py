"""The documents of a source: .txt files, a document each, .jsonl files, a document a line, and folders of Hugging
Face's datasets, a document a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

import polars as pl

from wattrain_api.contract.progress import READING
from wattrain_api.table_folders import FILE_STATE, table_folder
from wattrain_worker.data.prepare_progress import SampleCounter
from wattrain_worker.data.readers.datasets_folder import read_datasets_folder
from wattrain_worker.data.source_files import OneFile, SourceFiles
from wattrain_worker.data.table import listed
from wattrain_worker.errors import BadData

_TEXT: Final = ".txt"
_LINES: Final = ".jsonl"
_COLUMN: Final = "text"
_MOST_NAMED: Final = 3


@dataclass(frozen=True)
class Document:
    """A text that belongs together."""

    place: str
    """Where it is: a file, and the line where the file has a document a line."""
    text: str
    label: str | None = None
    """Its class, where the source says it in a field that was asked for."""


@dataclass
class Documents:
    """What a source has."""

    found: list[Document] = field(default_factory=list)
    """In the order of the files and lines; each has more than white space."""
    blank: int = 0
    """Lines of .jsonl files whose text is empty: they are left out."""
    warnings: list[str] = field(default_factory=list)


def read_documents(files: SourceFiles, label: str | None = None) -> Documents:
    """The documents of `files`, with what the field or column `label` says. BadData where one cannot be read as text,
    or where there is none."""
    if any(file.name == FILE_STATE for file in files.files):
        return _rows(files, label)
    documents, left_out, read = Documents(), [], SampleCounter(READING)
    for file in files.files:
        ending = PurePosixPath(file.name).suffix.lower()
        if ending == _TEXT:
            documents.found.append(_whole(file))
            read.add()
        elif ending == _LINES:
            _add_lines(file, documents, label, read)
        else:
            left_out.append(file.name)
    read.end()
    if not documents.found:
        raise BadData(
            f"data: {files.name!r} has no text: {len(left_out)} files end neither in .txt nor in .jsonl, and "
            f'{documents.blank} lines have an empty text; give .txt files, or .jsonl with an object {{"text": ...}} a '
            "line"
        )
    if left_out:
        named = ", ".join(map(repr, left_out[:_MOST_NAMED])) + (", ..." if len(left_out) > _MOST_NAMED else "")
        documents.warnings.append(
            f"{len(left_out)} files end neither in .txt nor in .jsonl and are left out: {named}; rename or remove them"
        )
    return documents


def _rows(files: SourceFiles, label: str | None) -> Documents:
    """The column `text` of a folder that save_to_disk wrote."""
    named = {file.name: file.read for file in files.files}
    try:
        _, names = table_folder(named)
    except ValueError as error:
        raise BadData(f"data: {files.name!r} {error}") from error
    documents = Documents()
    for name, frame in read_datasets_folder({each: named[each]() for each in names}):
        if _COLUMN not in frame.columns or frame[_COLUMN].dtype != pl.String:
            raise BadData(
                f'data: {name!r} has no column "{_COLUMN}" of texts, but {listed(frame.columns)}; rename the column '
                "of the texts, and save the data set again"
            )
        labels = frame[label].to_list() if label in frame.columns else [None] * len(frame)
        for number, (text, of_row) in enumerate(zip(frame[_COLUMN].to_list(), labels, strict=True), start=1):
            if text is None or not text.strip():
                documents.blank += 1
            else:
                documents.found.append(Document(f"{name}, row {number}", text, _written(of_row)))
    if not documents.found:
        raise BadData(f'data: {files.name!r} has no text in its column "{_COLUMN}"; give texts')
    return documents


def text_of(content: bytes, name: str) -> str:
    """`content` as UTF-8, without a byte order mark. BadData where it is none, or nothing but white space."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadData(
            f"data: {name!r}, line {line}: the byte 0x{content[error.start]:02x} is no UTF-8; convert the file, as in "
            "iconv -f latin1 -t utf-8"
        ) from error
    if not text.strip():
        raise BadData(f"data: {name!r}, line 1: the file is empty; remove it, or write its text")
    return text


def _whole(file: OneFile) -> Document:
    return Document(file.name, text_of(file.read(), file.name))


def _add_lines(file: OneFile, documents: Documents, label: str | None, read: SampleCounter) -> None:
    for number, text, fields in read.through(_texts(text_of(file.read(), file.name), file.name)):
        if text.strip():
            place = f"{file.name}, line {number}"
            documents.found.append(Document(place, text, None if label is None else _written(fields.get(label))))
        else:
            documents.blank += 1


def _written(label: object) -> str | None:
    """A class as JSON writes it: a text, a whole number, true or false. None: it is none of them."""
    if isinstance(label, bool):
        return "true" if label else "false"
    return str(label) if isinstance(label, int) else (label or None) if isinstance(label, str) else None


def _texts(content: str, name: str) -> Iterator[tuple[int, str, dict[str, object]]]:
    """The line and the `text` of each object, and all of its fields; lines without one are passed over."""
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise BadData(f"data: {name!r}, line {number}: no JSON ({error}); write one object a line") from error
        text = found.get("text") if isinstance(found, dict) else None
        if not isinstance(found, dict) or not isinstance(text, str):
            raise BadData(
                f'data: {name!r}, line {number}: no text; write an object with the field "text", whose value is a text'
            )
        _demand_encodable(text, name, number)
        yield number, text, found


def _demand_encodable(text: str, name: str, line: int) -> None:
    """JSON may hold half of a surrogate pair, which is no character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadData(
            f"data: {name!r}, line {line}: \\u{ord(text[error.start]):04x} is half of a character; write the whole pair"
        ) from error
