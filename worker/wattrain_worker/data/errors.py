"""Errors that end a preparation. Their text is for a person: what is wrong, where, and what to do about it."""

from __future__ import annotations

from typing import ClassVar

from wattrain_api.reasons import EXIT_BAD_DATA, EXIT_BAD_SPEC, EXIT_INPUT_MISSING, EXIT_STORAGE_UNAVAILABLE


class PreparationError(Exception):
    """Something that the user or the storage has to mend; `exit_code` is what the process ends with."""

    exit_code: ClassVar[int]


class BadSpec(PreparationError):  # noqa: N818  (named as its exit code is)
    """The spec asks for something impossible."""

    exit_code = EXIT_BAD_SPEC


class BadData(PreparationError):  # noqa: N818
    """What the source holds cannot be trained on, or prepared shards are damaged."""

    exit_code = EXIT_BAD_DATA


class InputMissing(PreparationError):  # noqa: N818
    """The source, or the prepared shards, are not there or may not be read."""

    exit_code = EXIT_INPUT_MISSING


class StorageUnavailable(PreparationError):  # noqa: N818
    """A remote source did not answer, or the data directory could not be written: worth another try."""

    exit_code = EXIT_STORAGE_UNAVAILABLE
