import pytest

from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.support import unsupported, unsupported_domain
from wattrain_api.trainingjob import TrainingJobSpec


def merged(base, change):
    return {**base, **{k: merged(base.get(k, {}), v) if isinstance(v, dict) else v for k, v in change.items()}}


def test_a_plain_job_is_supported(job):
    assert unsupported(TrainingJobSpec.model_validate(job["spec"])) == []


def test_a_tariff_and_a_yearly_mean_are_supported():
    spec = PowerDomainSpec.model_validate({"tariff": {"pricePerKWh": 0.3}, "carbon": {"gramsPerKWh": 380}, "pue": 1.4})
    assert unsupported_domain(spec) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"workers": {"minReplicas": 1}}, "spec.workers.minReplicas"),
        ({"parallelism": {"strategy": "FSDP"}}, "spec.parallelism.strategy"),
        ({"parallelism": {"strategy": "LocalSGD"}}, "spec.parallelism.strategy"),
        ({"parallelism": {"tensor": 2}}, "spec.parallelism.tensor"),
        ({"parallelism": {"pipeline": 2}}, "spec.parallelism.pipeline"),
        ({"storage": {"uri": "s3://bucket"}}, "spec.storage.uri"),
        ({"energy": {"powerCap": {"jobWatts": 100, "mode": "Hard"}}}, "spec.energy.powerCap.mode"),
        ({"energy": {"powerCap": {"perGpuWatts": 100}}}, "spec.energy.powerCap.perGpuWatts"),
        ({"energy": {"budget": {"cost": 1, "action": "Throttle"}}}, "spec.energy.budget.action"),
        ({"inference": {"enabled": True}}, "spec.inference.enabled"),
    ],
)
def test_what_is_not_done_yet_is_refused_with_a_remedy(job, change, field):
    found = unsupported(TrainingJobSpec.model_validate(merged(job["spec"], change)))
    assert [path for path, _ in found] == [field]
    assert "in this version; " in found[0][1]


def test_clean_hours_can_be_switched_off_with_all_that_is_said_of_them(job):
    change = {"energy": {"carbon": {"mode": "Off", "estimatedDurationSeconds": 60, "minBenefitPercent": 6}}}
    assert unsupported(TrainingJobSpec.model_validate(merged(job["spec"], change))) == []


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"nodeSelector": {"rack": "a"}}, "spec.nodeSelector"),
        ({"baseWatts": 50}, "spec.baseWatts"),
        ({"carbon": {"basis": "Marginal"}}, "spec.carbon.basis"),
    ],
)
def test_what_a_domain_cannot_have_yet_is_refused(spec, field):
    assert [path for path, _ in unsupported_domain(PowerDomainSpec.model_validate(spec))] == [field]


@pytest.mark.parametrize(
    ("command", "workers", "remedy"),
    [
        (["deepspeed", "t.py"], {"replicas": 2}, "write torchrun in place of deepspeed"),
        (["python", "-m", "deepspeed", "t.py"], {"processesPerWorker": 2}, "write torchrun in place of deepspeed"),
        (["deepspeed", "t.py"], {}, ""),
        (["accelerate", "launch", "t.py"], {"processesPerWorker": 2}, "write more workers.replicas"),
        (["accelerate", "launch", "t.py"], {"replicas": 2}, ""),
        (
            ["accelerate", "launch", "t.py"],
            {"processesPerWorker": 2, "resources": {"limits": {"nvidia.com/gpu": "2"}}},
            "",
        ),
        (["torchrun", "t.py"], {"replicas": 2, "processesPerWorker": 2}, ""),
    ],
)
def test_a_launcher_that_would_not_start_all_ranks_is_refused(command, workers, remedy):
    found = unsupported(TrainingJobSpec.model_validate({"script": {"command": command}, "workers": workers}))
    assert [(path, remedy in sentence) for path, sentence in found] == (
        [("spec.script.command", True)] if remedy else []
    )
