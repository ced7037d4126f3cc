"""docs/worker-contract.md: every structure and field of the contract, and examples that are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattrain_api.contract.codec import decode, encode, fields_of
from wattrain_api.contract.progress import Progress
from wattrain_api.contract_doc import main, render
from wattrain_api.contract_examples import EXAMPLES


@pytest.fixture(scope="module")
def template(request: pytest.FixtureRequest) -> str:
    return (request.config.rootpath / "docs/worker-contract.template.md").read_text(encoding="utf-8")


def test_a_field_has_a_row_with_its_kind_its_unit_and_its_meaning(template: str) -> None:
    page = render(template)
    assert "| `stepSeconds` | amount | s | Running mean of the time of a step. |" in page
    assert "| `phase` | [Phase](#phase) |  |" in page
    assert "| `power` | list of [PowerReading](#powerreading) |  | Of this worker. |" in page
    assert "| `version` (required) | count |" in page
    assert all(f"| `{field.key}`" in page for field in fields_of(Progress))


@pytest.mark.parametrize("extra", ["\n{{ Progress }}\n", "\n{{ Unheard }}\n"])
def test_a_template_that_names_a_structure_twice_or_one_that_there_is_not_is_refused(template: str, extra: str) -> None:
    with pytest.raises(ValueError, match="has to name every structure"):
        render(template + extra)


@pytest.mark.parametrize("structure", EXAMPLES, ids=lambda structure: structure.__name__)
def test_the_examples_are_what_a_reader_takes_in(structure: type) -> None:
    assert decode(structure, encode(EXAMPLES[structure])) == EXAMPLES[structure]


def test_a_stale_page_is_found(tmp_path: Path, template: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.template.md").write_text(template, encoding="utf-8")
    page = tmp_path / "page.md"
    assert main(["--check", str(page)]) == 1
    assert "is not current: run python -m wattrain_api.contract_doc" in capsys.readouterr().err
    assert main([str(page)]) == 0
    assert main(["--check", str(page)]) == 0
