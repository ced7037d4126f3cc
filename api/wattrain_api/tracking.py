"""`spec.tracking`: where else the figures of a training go, as they come."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wattrain_api.base import Model


class TensorBoard(Model):
    """Event files."""


class MLflow(Model):
    """A run on an MLflow server."""

    tracking_uri: Annotated[
        str, Field(alias="trackingURI", pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$", max_length=1024)
    ]
    """Address of the server, as in `http://mlflow:5000`. Credentials come by variables, MLFLOW_TRACKING_USERNAME and
    MLFLOW_TRACKING_PASSWORD or MLFLOW_TRACKING_TOKEN, in workers.env."""
    experiment: Annotated[str, Field(min_length=1, max_length=256)] = "wattrain"
    """Name of the experiment, which is made where it is missing."""


class Tracking(Model):
    """Programs in which trainings are compared. What they lack, or that they do not answer, ends no training."""

    tensor_board: TensorBoard | None = None
    """Write event files for TensorBoard, `{}`: into `records/tensorboard` of the job's directory on storage.claim, on
    one machine into `tensorboard` of the run's directory."""
    mlflow: MLflow | None = None
    """Keep a run on an MLflow server."""
