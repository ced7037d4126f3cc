"""The receipt of a job: what it did, what it cost, and what is needed to repeat it. Pure."""

from __future__ import annotations

import json

from wattrain_operator.receipt.build import Circumstances, build, duration
from wattrain_operator.receipt.contents import Receipt
from wattrain_operator.receipt.curves import Curves, curves
from wattrain_operator.receipt.markdown import to_markdown
from wattrain_operator.receipt.page import to_html

__all__ = ["Circumstances", "Curves", "Receipt", "build", "curves", "duration", "to_html", "to_json", "to_markdown"]


def to_json(receipt: Receipt) -> str:
    """The receipt for programs."""
    return json.dumps(receipt.to_json_object(), indent=1) + "\n"
