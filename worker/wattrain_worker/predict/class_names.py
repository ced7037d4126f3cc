"""Classes of samples that are files or lines, as their source names them, and what a model knows of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wattrain_worker.data.labels import MISSING_LABEL
from wattrain_worker.data.table import listed
from wattrain_worker.predict.predictions import UNKNOWN, Known
from wattrain_worker.train.exported import ExportedModel


def known_by_name(model: ExportedModel, names: Sequence[str | None]) -> Known | None:
    """`names` [samples] as labels of the model; None where none of them is a class of it."""
    codes = _codes(model, names)
    return Known(codes, codes != MISSING_LABEL, codes >= 0) if (codes >= 0).any() else None


def about_names(model: ExportedModel, names: Sequence[str | None], samples: str, place: str) -> list[str]:
    """A note where some of `names`, which `place` has for each of the `samples`, are no classes of the model."""
    codes = _codes(model, names)
    unknown = sorted({str(names[number]) for number in np.flatnonzero(codes == UNKNOWN).tolist()})
    if not unknown:
        return []
    if not (codes >= 0).any():
        return [f"no {place} has the name of a class of the model, such as {unknown[0]!r}: no accuracy"]
    return [
        f"labels of {(codes == UNKNOWN).sum():,} {samples} are no classes of the model, and count as wrong: "
        f"{listed(unknown)}"
    ]


def _codes(model: ExportedModel, names: Sequence[str | None]) -> npt.NDArray[np.int64]:
    """[samples]: the model's code of each one's class, MISSING_LABEL, or UNKNOWN."""
    known = {written: code for code, written in enumerate(model.written)}
    return np.array([MISSING_LABEL if name is None else known.get(name, UNKNOWN) for name in names], np.int64)
