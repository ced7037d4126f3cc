"""The code that draws lines, as texts: for a file that opens without a server. Pure."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class DrawingCode:
    """What such a file carries, and what its policy allows because of it."""

    styles: str
    library: str
    """A script. It comes before `script`."""
    script: str
    """A module. It draws every element of the class `plot`, from its attribute `data-plot`."""

    @property
    def policy(self) -> str:
        """A Content-Security-Policy that runs these scripts, as they are, and no others."""
        hashes = " ".join(f"'sha256-{_sha256(text)}'" for text in (self.library, self.script))
        return f"default-src 'none'; style-src 'unsafe-inline'; script-src {hashes}"

    @property
    def tags(self) -> str:
        """The scripts as elements, for the end of the body."""
        return f'<script>{self.library}</script>\n<script type="module">{self.script}</script>'


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
