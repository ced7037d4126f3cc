"""Folders that save_to_disk of Hugging Face's datasets wrote: Arrow streams, of which state.json says the order.

The column of a ClassLabel holds numbers, whose names are in dataset_info.json: its values are these names.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from wattrain_api.table_folders import FILE_INFO, FILE_STATE
from wattrain_worker.data.large_file import LargeFile, bytes_of
from wattrain_worker.data.readers.arrow_batches import batches_of
from wattrain_worker.errors import BadData

_END: Final = b"\xff\xff\xff\xff\0\0\0\0"
"""What a stream ends with: https://arrow.apache.org/docs/format/Columnar.html"""
_LARGEST_BATCH: Final = 64 << 20
"""Of a file that memory does not hold. datasets writes a thousand rows at a time."""
_AGAIN: Final = "save the data set again, with save_to_disk"


def read_datasets_folder(files: Mapping[str, bytes | LargeFile]) -> Iterator[tuple[str, pl.DataFrame]]:
    """The files of rows by their names, in their order, and what each holds: of a LargeFile a batch after the other.
    `files`: the folder's, by name.

    BadData where one is missing, damaged or cut off.
    """
    names = _class_names(files)
    for name in _data_files(files):
        if name not in files:
            raise BadData(f"data: {FILE_STATE} names {name!r}, which is not there; copy the whole folder, or {_AGAIN}")
        for frame in _frames(name, files[name]):
            for column in names.keys() & set(frame.columns):
                frame = frame.with_columns(_named(frame[column], names[column], name))
            yield name, frame


def _data_files(files: Mapping[str, bytes | LargeFile]) -> list[str]:
    state = _document(files, FILE_STATE)
    if state.get("_indices_files") or state.get("_indices_data_files"):
        raise BadData(f"data: {FILE_STATE}: rows are chosen by a file of indices; call flatten_indices(), and {_AGAIN}")
    try:
        found = [str(each["filename"]) for each in state["_data_files"]]
    except (KeyError, TypeError) as error:
        raise BadData(f"data: {FILE_STATE} names no files (_data_files); {_AGAIN}") from error
    if not found:
        raise BadData(f"data: {FILE_STATE} names no files (_data_files), so there are no rows; {_AGAIN}")
    return found


def _class_names(files: Mapping[str, bytes | LargeFile]) -> dict[str, list[str]]:
    """The names of the classes by column."""
    features = _document(files, FILE_INFO).get("features") if FILE_INFO in files else None
    if not isinstance(features, dict):
        return {}
    labels = {name: each for name, each in features.items() if isinstance(each, dict)}
    return {
        name: list(map(str, each["names"]))
        for name, each in labels.items()
        if each.get("_type") == "ClassLabel" and isinstance(each.get("names"), list)
    }


def _document(files: Mapping[str, bytes | LargeFile], name: str) -> dict[str, Any]:
    try:
        document = json.loads(bytes(bytes_of(files[name])))
    except (ValueError, RecursionError) as error:
        raise BadData(f"data: {name} is no JSON; copy the folder again, or {_AGAIN}") from error
    if not isinstance(document, dict):
        raise BadData(f"data: {name} holds no object; {_AGAIN}")
    return document


def _frames(name: str, content: bytes | LargeFile) -> Iterator[pl.DataFrame]:
    if bytes_of(content)[-len(_END) :] != _END:
        raise BadData(f"data: {name!r} is cut off after {len(content)} bytes; copy it again, or {_AGAIN}")
    try:
        if not isinstance(content, LargeFile):
            yield pl.read_ipc_stream(io.BytesIO(content))
            return
        for batch in batches_of(content.bytes):
            if len(batch) > _LARGEST_BATCH:
                raise BadData(
                    f"data: {name!r} has a batch of {len(batch) >> 20} MiB, more than {_LARGEST_BATCH >> 20}; write "
                    "it with batches of fewer rows (writer_batch_size of datasets)"
                )
            yield pl.read_ipc_stream(io.BytesIO(batch))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadData(f"data: {name!r} is no readable Arrow stream ({first}); copy it again, or {_AGAIN}") from error


def _named(series: pl.Series, names: list[str], file: str) -> pl.Series:
    """Names for the numbers of a ClassLabel; -1 stands for no label."""
    known = dict(enumerate(names)) | {-1: None}
    numbers = series.cast(pl.Int64)
    wrong = numbers.filter(numbers.is_not_null() & ~numbers.is_in(list(known)))
    if len(wrong):
        raise BadData(
            f'data: column "{series.name}" in {file!r} holds the class {wrong[0]}, of which {FILE_INFO} has no name '
            f"(there are {len(names)}); {_AGAIN}"
        )
    return numbers.replace_strict(known, return_dtype=pl.String)
