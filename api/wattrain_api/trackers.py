"""The trackers that `spec.tracking` can name, and the libraries that they need.

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Final, NamedTuple


class TrackerKind(NamedTuple):
    """A tracker."""

    module: str
    """In `wattrain_worker.tracking`."""
    library: str
    """What it imports."""
    extra: str
    """Extra of the distribution wattrain that brings it."""
    package: str
    """The package that brings it."""


TRACKERS: Final = {
    "tensorBoard": TrackerKind("tensorboard_files", "tensorboard", "tensorboard", "tensorboard"),
    "mlflow": TrackerKind("mlflow_run", "mlflow", "mlflow", "mlflow-skinny"),
}
"""By their field in `spec.tracking`."""


def missing_libraries(fields: Iterable[str], where: str) -> list[str]:
    """What the trackers named by `fields` lack `where` (as in "in this image"), a sentence each with the remedy."""
    return [
        f"spec.tracking.{field}: {kind.library} is not {where}; pip install 'wattrain[{kind.extra}]' (or "
        f"{kind.package}) there, or remove the field"
        for field, kind in ((field, TRACKERS[field]) for field in fields)
        if find_spec(kind.library) is None
    ]
