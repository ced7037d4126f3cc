"""What `wattrain.run` returns: the receipt of a job, which shows itself in a notebook and in a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from wattrain_api.status import TrainingJobStatus
from wattrain_operator.receipt import to_markdown
from wattrain_operator.receipt.contents import Receipt
from wattrain_operator.receipt.rows import summary

if TYPE_CHECKING:
    from rich.markdown import Markdown


@dataclass(frozen=True, repr=False)
class RunReceipt:
    """A job that has ended on this machine."""

    receipt: Receipt
    """What it did, what it cost, and what is needed to repeat it: all that receipt.json has, with types."""
    status: TrainingJobStatus
    """Its last status, as status.json has it."""
    directory: Path
    """Of the run: receipt.html, model/, checkpoints/, logs/, metrics.jsonl."""

    @property
    def model_directory(self) -> Path:
        """The trained model, which `wattrain predict` takes; it is there if the job is complete."""
        return self.directory / "model"

    def __repr__(self) -> str:
        return f"<{self.receipt.job.name}: {summary(self.receipt)}>"

    def _repr_markdown_(self) -> str:
        return to_markdown(self.receipt)

    def _repr_html_(self) -> str:
        """The page with its plots, in a frame of its own: neither styles nor scripts meet those of the notebook."""
        try:
            page = (self.directory / "receipt.html").read_text(encoding="utf-8")
        except OSError:  # somebody has removed it; the figures are here all the same
            return f"<pre>{escape(to_markdown(self.receipt))}</pre>"
        title = escape(f"Receipt of {self.receipt.job.name}", quote=True)
        style = "width: 100%; height: 44rem; border: 0"
        return f'<iframe title="{title}" sandbox="allow-scripts" style="{style}" srcdoc="{escape(page)}"></iframe>'

    def __rich__(self) -> Markdown:
        from rich.markdown import Markdown

        return Markdown(to_markdown(self.receipt))
