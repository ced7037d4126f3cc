from pathlib import Path

import pytest
import yaml
from jsonschema import Draft4Validator

from wattrain_api.crd import power_domain_crd, training_job_crd
from wattrain_api.load import load_files
from wattrain_api.support import unsupported, unsupported_domain

EXAMPLES = Path(__file__).parents[3] / "examples"
OURS = [file for file in sorted(EXAMPLES.rglob("*.yaml")) if "wattrain.dev/" in file.read_text(encoding="utf-8")]
JOBS = [file for file in OURS if "kind: TrainingJob" in file.read_text(encoding="utf-8")]
SCHEMAS = {
    crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for crd in (training_job_crd(), power_domain_crd())
}


def test_the_example_of_the_first_command_is_there():
    assert EXAMPLES / "digits-mlp.yaml" in JOBS


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_an_example_loads_and_asks_for_nothing_that_is_not_done_yet(file):
    loaded = load_files([file] if file in JOBS else [JOBS[0], file])
    assert [unsupported(job.spec) for job in loaded.jobs] == [[]]
    assert [unsupported_domain(domain.spec) for domain in loaded.domains] == [[] for _ in loaded.domains]


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_an_example_is_valid_by_the_definition(file):
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        if document["kind"] in SCHEMAS:
            errors = Draft4Validator(SCHEMAS[document["kind"]]).iter_errors(document)
            assert [f"{list(error.path)}: {error.message}" for error in errors] == []
