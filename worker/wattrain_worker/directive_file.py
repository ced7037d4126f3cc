"""A file with the newest directive, as a supervisor finds it, and a rank after it.

Standard library only, Python >= 3.9.
"""

from __future__ import annotations

from pathlib import Path

from wattrain_api.contract.codec import decode_json
from wattrain_api.contract.directive import Directive


class DirectiveFile:
    """Reads a file that may be missing, empty or replaced at any time. Looking at it costs a few microseconds."""

    def __init__(self, path: str) -> None:
        """`path` "": there is never a directive."""
        self._path = Path(path) if path else None
        self._seen: tuple[int, int, int] | None = None
        self._directive: Directive | None = None
        self.problem = ""
        """Why no directive can be read, in a sentence without its full stop; empty where there is nothing to read."""

    @property
    def has_changed(self) -> bool:
        """Whether the file is another than `read` has seen; False where there is none."""
        try:
            return self._path is not None and self._state(self._path) != self._seen
        except OSError:
            return False

    def read(self) -> Directive | None:
        """The directive in the file now; None where there is none."""
        if self._path is not None:
            try:
                seen = self._state(self._path)
                if seen != self._seen:
                    self._take(self._path.read_bytes())
                    self._seen = seen
            except OSError as error:
                self._seen, self._directive = None, None
                self.problem = f"{self._path} cannot be read ({error.strerror})"
        return self._directive

    @staticmethod
    def _state(path: Path) -> tuple[int, int, int]:
        status = path.stat()
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _take(self, text: bytes) -> None:
        self._directive = decode_json(Directive, text)
        is_senseless = self._directive is None and text.strip()
        self.problem = f"{self._path} holds no directive, but {text[:80]!r}" if is_senseless else ""
