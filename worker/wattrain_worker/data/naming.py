"""Names in refusals: whoever reads one knows at once which file or folder to mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import PurePosixPath
from typing import Final

from wattrain_api.data import Source
from wattrain_worker.data.sources import name_of
from wattrain_worker.errors import BadData

_OF_DATA: Final = "data: "
"""How a refusal of what a source holds begins; others name what they are about."""


@contextmanager
def naming(name: str) -> Iterator[None]:
    """While this lasts, each refusal of data names `name`, a file or a folder, unless it does so already."""
    try:
        yield
    except BadData as error:
        text = str(error)
        if not text.startswith(_OF_DATA) or repr(name) in text or repr(PurePosixPath(name).name) in text:
            raise
        raise BadData(f"{_OF_DATA}{name!r}: {text.removeprefix(_OF_DATA)}") from error


def naming_source(source: Source) -> AbstractContextManager[None]:
    """`naming` what the spec calls `source`."""
    return naming(source.builtin if source.builtin is not None else name_of(source))
