"""For tests of the page's server."""

from pathlib import Path

import pytest


@pytest.fixture
def root_of_dashboards():
    return Path(__file__).parents[3] / "dashboards"
