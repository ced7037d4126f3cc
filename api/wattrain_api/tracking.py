"""`spec.tracking`: where else the figures of a training go, as they come."""

from __future__ import annotations

from wattrain_api.base import Model


class TensorBoard(Model):
    """Event files."""


class Tracking(Model):
    """Programs in which trainings are compared. What they lack, or that they do not answer, ends no training."""

    tensor_board: TensorBoard | None = None
    """Write event files for TensorBoard, `{}`: into `records/tensorboard` of the job's directory on storage.claim, on
    one machine into `tensorboard` of the run's directory."""
