"""The builders of dashboards are checked by mypy, with the types of Grafana's own builders."""

import re

import pytest

MISTAKES = {
    "figure('Power', 'watt', 'Power now.', 'sum(x)')": '"figure" has incompatible type "str"; expected "Query"',
    "figure('Power', 'watt', 'Power now.').colour_mode('value')": 'has no attribute "colour_mode"',
    "lines('Loss', 'none', 'Loss.').show_points('never')": 'incompatible type "str"; expected "VisibilityMode"',
    "ONE_JOB.of_job('loss', by='component')": 'incompatible type "str"; expected "tuple[str, ...]"',
    "ONE_JOB.in_state('Runing')": 'Argument 1 to "in_state" of "Scope" has incompatible type',
    "Section('Now', [figure('Power', 'watt', 'Power now.')])": 'expected "Placed"',
}
HEADER = """
from wattrain_dashboards.frame import Section
from wattrain_dashboards.panels import figure, lines
from wattrain_dashboards.promql import ONE_JOB
"""


@pytest.fixture(scope="module")
def said(python, root, tmp_path_factory):
    """What mypy says, by the mistake."""
    file = tmp_path_factory.mktemp("builders") / "planted_mistakes.py"
    file.write_text(HEADER + "\n".join(MISTAKES) + "\n", encoding="utf-8")
    result = python("-m", "mypy", "--config-file", str(root / "pyproject.toml"), str(file))
    assert result.returncode == 1, result.stdout + result.stderr
    first = HEADER.count("\n") + 1
    errors = re.findall(r"planted_mistakes\.py:(\d+): error: (.*)", result.stdout)
    return {mistake: [what for line, what in errors if int(line) == first + n] for n, mistake in enumerate(MISTAKES)}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_builder_is_found_by_its_type(said, mistake):
    assert MISTAKES[mistake] in " ".join(said[mistake])
