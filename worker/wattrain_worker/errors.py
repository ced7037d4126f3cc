"""What ends a process of the worker, with an exit code that tells the restart policy what to do.

    WorkerError
        BadSpec               64   the spec or the environment asks for something impossible
            ConfigError            what the supervisor was told (supervisor/config.py)
        BadData               65   the data cannot be trained on
        InputMissing          66   the data is not there
        NonFiniteLoss         70   the loss is no number any more
        PeerLost              75   another rank of the group is gone
        StorageUnavailable    76   a directory or a remote source does not answer: worth another try

The text of each is one line for a person: what is wrong, where, and what to do about it. Standard library only,
Python >= 3.9: the supervisor carries this module into foreign images.
"""

from __future__ import annotations

from typing import ClassVar

from wattrain_api import reasons


class WorkerError(Exception):
    """Something that has an exit code of its own. Only classes below it are raised."""

    exit_code: ClassVar[int]


class BadSpec(WorkerError):  # noqa: N818  (named as its exit code is, as are those below)
    """The spec, or the environment, asks for something impossible. The user has to change it."""

    exit_code = reasons.EXIT_BAD_SPEC


class BadData(WorkerError):  # noqa: N818
    """What the source holds cannot be trained on, or prepared data is damaged."""

    exit_code = reasons.EXIT_BAD_DATA


class InputMissing(WorkerError):  # noqa: N818
    """The source, or the prepared data, is not there or may not be read."""

    exit_code = reasons.EXIT_INPUT_MISSING


class NonFiniteLoss(WorkerError):  # noqa: N818
    """The loss is no number any more; the same seed and spec would lead here again."""

    exit_code = reasons.EXIT_NON_FINITE


class PeerLost(WorkerError):  # noqa: N818
    """Another rank of the group is gone."""

    exit_code = reasons.EXIT_PEER_LOST


class StorageUnavailable(WorkerError):  # noqa: N818
    """A remote source did not answer, or a directory cannot be written or read: worth another try."""

    exit_code = reasons.EXIT_STORAGE_UNAVAILABLE
