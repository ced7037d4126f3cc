"""What is generated into the repository is what the code generates now."""

import pytest


@pytest.mark.parametrize(
    "module",
    ["wattrain_worker.train.registries", "wattrain_api.crd", "wattrain_api.metrics_doc", "wattrain_api.contract_doc"],
)
def test_generated_files_are_current(python, module):
    result = python("-m", module, "--check")
    assert result.returncode == 0, result.stderr
