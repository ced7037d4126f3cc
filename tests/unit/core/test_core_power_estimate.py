"""What is reserved for a job before anything of it has been measured."""

from __future__ import annotations

from typing import Any

import pytest

from wattrain_api.power_model import estimate_worker_watts
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.power_estimate import UNKNOWN_GPU_WATTS, estimated_watts


def spec(**workers: Any) -> TrainingJobSpec:
    return TrainingJobSpec.model_validate({"script": {"command": ["python"]}, "workers": workers})


def limits(**amounts: str) -> dict[str, Any]:
    return {"limits": {name.replace("__", "/"): amount for name, amount in amounts.items()}}


def test_each_worker_counts_with_its_cpus_and_memory() -> None:
    found = estimated_watts(spec(replicas=3, resources=limits(cpu="2", memory="16Gi")), cpus=1.0)
    assert found.high == pytest.approx(3 * estimate_worker_watts(2.0, 16 * 2**30).high, abs=0.1)


def test_a_worker_that_names_no_cpus_counts_with_those_of_its_place() -> None:
    assert estimated_watts(spec(replicas=1), 4.0).high == pytest.approx(estimate_worker_watts(4.0, 0.0).high, abs=0.1)


@pytest.mark.parametrize(
    ("product", "watts"),
    [("NVIDIA-A100-SXM4-80GB", 400.0), ("Tesla-T4", 70.0), ("NVIDIA-L40S", 350.0), ("", UNKNOWN_GPU_WATTS)],
)
def test_a_gpu_counts_with_its_products_limit_or_as_the_largest(product: str, watts: float) -> None:
    gpus = {"limits": {"cpu": "1", "nvidia.com/gpu": "2"}}
    chosen = {"nvidia.com/gpu.product": product} if product else {}
    found = estimated_watts(spec(replicas=1, resources=gpus, nodeSelector=chosen), 1.0)
    without = estimated_watts(spec(replicas=1, resources=limits(cpu="1")), 1.0)
    assert found.high - without.high == pytest.approx(2 * watts, abs=0.2)
