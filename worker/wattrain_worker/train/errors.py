"""What ends a rank. Each error's text is one line for a person; its exit code tells the restart policy what to do."""

from __future__ import annotations

from typing import ClassVar

from wattrain_api import reasons


class TrainingError(Exception):
    """Something that has an exit code of its own."""

    exit_code: ClassVar[int]


class BadSpec(TrainingError):  # noqa: N818  (named as its exit code is)
    """The spec, or the environment, asks for something impossible."""

    exit_code = reasons.EXIT_BAD_SPEC


class BadData(TrainingError):  # noqa: N818
    """The prepared data cannot be trained on."""

    exit_code = reasons.EXIT_BAD_DATA


class NonFiniteLoss(TrainingError):  # noqa: N818
    """The loss is no number any more; the same seed and spec would lead here again."""

    exit_code = reasons.EXIT_NON_FINITE


class PeerLost(TrainingError):  # noqa: N818
    """Another rank of the group is gone."""

    exit_code = reasons.EXIT_PEER_LOST


class StorageUnavailable(TrainingError):  # noqa: N818
    """Checkpoints or the model cannot be written or read."""

    exit_code = reasons.EXIT_STORAGE_UNAVAILABLE
