"""The steps in a metrics.jsonl, read while it grows.

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wattrain_api.contract.codec import decode_json
from wattrain_api.contract.recorded_step import RecordedStep


class RecordedSteps:
    """Reads on in a file where it stopped. A file that is missing or cannot be read has no steps."""

    def __init__(self, file: Path, offset_bytes: int = 0) -> None:
        """Begin `offset_bytes` behind the start of `file`."""
        self._file = file
        self.offset_bytes = offset_bytes
        """Where the first line begins that has not been read yet."""

    def read_on(self) -> Iterator[RecordedStep]:
        """The steps of the whole lines that were added since; lines that a killed supervisor tore are left out."""
        for line in self.read_lines_on():
            step = decode_json(RecordedStep, line)
            if step is not None:
                yield step

    def read_lines_on(self) -> Iterator[bytes]:
        """The whole lines that were added since, as they are."""
        try:
            with self._file.open("rb") as lines:
                lines.seek(self.offset_bytes)
                for line in lines:
                    if not line.endswith(b"\n"):
                        return  # its rest is still to come
                    self.offset_bytes += len(line)
                    yield line
        except OSError:
            return
