"""Which view shows the run."""

from __future__ import annotations

import sys
from enum import StrEnum

from wattrain_operator.cli.view_json import JsonView
from wattrain_operator.cli.view_live import LiveView
from wattrain_operator.cli.view_plain import PlainView
from wattrain_operator.local.view_model import View


class Output(StrEnum):
    """How a run is shown."""

    AUTO = "auto"
    LIVE = "live"
    PLAIN = "plain"
    JSON = "json"


def make_view(output: Output) -> View:
    """The view for `output`; `auto` looks whether somebody watches a terminal."""
    if output is Output.JSON:
        return JsonView(sys.stdout)
    if output is Output.LIVE or (output is Output.AUTO and sys.stdout.isatty()):
        return LiveView()
    return PlainView(sys.stdout)
