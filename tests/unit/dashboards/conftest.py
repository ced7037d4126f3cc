from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder():
    return Path(__file__).parents[3] / "dashboards"
