import pytest
import yaml
from harness.fixtures import or_skipped
from harness.prometheus import find_promtool
from harness.rules_world import RULES, World


@pytest.fixture(scope="session")
def promtool_is_there():
    with or_skipped():
        find_promtool()


@pytest.fixture
def world(promtool_is_there, tmp_path):
    return World(tmp_path)


@pytest.fixture(scope="session")
def rules():
    """The rules of a file."""

    def read(name):
        groups = yaml.safe_load((RULES / name).read_text(encoding="utf-8"))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    return read
