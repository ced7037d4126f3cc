"""What a worker, a run and the operator export is as Prometheus wants it, by promtool's own judgement."""

import asyncio
import json
from collections import Counter

import pytest
from harness.prometheus import promtool

from wattrain_api.contract.progress import Progress
from wattrain_api.contract_examples import EXAMPLES
from wattrain_api.metrics_neighbours import JOIN_BY_POD, JOIN_BY_UUID
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster import operator_figures
from wattrain_operator.cluster.settings import OperatorSettings
from wattrain_operator.cluster.shell import Shell
from wattrain_operator.local import metrics_page
from wattrain_worker.supervisor.worker_exposition import metrics_text

SPEC = {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}}
STATUS = {
    "state": "Running", "attempt": 1, "stepsDone": 30, "phases": [{"phase": "Starting", "seconds": 3, "joules": 1.5}],
    "progress": {"step": 20, "totalSteps": 60, "lossNotFinite": "NaN", "validation": {"step": 10, "loss": 0.5}},
    "energy": {"joules": 4.5, "watts": 3.5, "meters": [{"component": "cpu", "source": "rapl", "joules": 4.5}],
               "costs": [{"currency": "EUR", "cost": 0.1}]},
}  # fmt: skip
JOB = {"metadata": {"name": "one", "namespace": "team", "uid": "u", "resourceVersion": "1"}, "spec": SPEC}
DOMAIN = {
    "metadata": {"name": "default", "uid": "d", "resourceVersion": "1"},
    "spec": {"maxRunningJobs": 1, "pue": 1.2, "tariff": {"pricePerKWh": 0.5}},
}


class NoClient:
    """A client of which only the counters are looked at."""

    requests = Counter({("create", "pods", 201): 4})


def of_worker():
    return metrics_text(EXAMPLES[Progress])


def of_run():
    job = TrainingJob.model_validate(JOB, extra="ignore")
    domain = PowerDomain.model_validate(DOMAIN, extra="ignore")
    figures = metrics_page.JobFigures(job, TrainingJobStatus.from_json_object(STATUS), domain, {"0": of_worker()})
    return metrics_page.page([figures])


def of_operator():
    async def main():
        shell = Shell(NoClient(), OperatorSettings("w:1", "w:1"), "test", lambda: True)
        try:
            shell.outcomes["done"] += 1
            shell.durations.observe(0.1)
            shell.take("PowerDomain", DOMAIN, False)
            shell.take("TrainingJob", {**JOB, "status": STATUS}, False)
            return await operator_figures.page(shell, leads=True, loop_lag_seconds=0.5)
        finally:
            await shell.close()

    return asyncio.run(main())


@pytest.mark.usefixtures("promtool_is_there")
@pytest.mark.parametrize("page", [of_worker, of_run, of_operator])
def test_promtool_finds_nothing_to_complain_of(page):
    text = page().decode()
    assert "_joules_total{" in text or "_seconds_bucket{" in text
    judged = promtool("check", "metrics", text=text)
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")


@pytest.mark.usefixtures("promtool_is_there")
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("_energy_joules_total", "_energyJoules_total"),
        ("_costs_total", "_costs"),
        ('{component="cpu"', "{component=cpu"),
        ("# HELP wattrain_worker_step ", "# HELP wattrain_worker_stop "),
    ],
)
def test_promtool_would_complain_of_a_mistake(right, wrong):
    text = of_run().decode().replace("energy_cost_total", "energy_costs_total")
    assert right in text
    assert promtool("check", "metrics", text=text.replace(right, wrong)).returncode != 0


SERIES = {
    'wattrain_worker_energy_joules_total{component="gpu",device="GPU-a",namespace="t",trainingjob="one",worker="0"}': 5,
    'wattrain_worker_energy_joules_total{component="gpu",device="GPU-b",namespace="t",trainingjob="one",worker="1"}': 7,
    'wattrain_worker_energy_joules_total{component="cpu",device="",namespace="t",trainingjob="one",worker="0"}': 9,
    'wattrain_worker_generation{namespace="t",trainingjob="one",worker="0",pod="one-1-0"}': 1,
    'wattrain_worker_generation{namespace="t",trainingjob="one",worker="1",pod="one-1-1"}': 0,
    'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-a",device="nvidia0",Hostname="n"}': 80,
    'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-b",device="nvidia0",Hostname="m"}': 60,
    'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-c",device="nvidia1",Hostname="m"}': 1,
    'DCGM_FI_DEV_POWER_USAGE{UUID="GPU-a",namespace="t",pod="one-1-0",GPU_I_ID="1"}': 300,
    'DCGM_FI_DEV_POWER_USAGE{UUID="GPU-a",namespace="t",pod="one-1-0",GPU_I_ID="2"}': 300,
    'DCGM_FI_DEV_POWER_USAGE{UUID="GPU-b",namespace="t",pod="one-1-1"}': 200,
    'DCGM_FI_DEV_POWER_USAGE{UUID="GPU-c",namespace="t",pod=""}': 50,
}


@pytest.mark.usefixtures("promtool_is_there")
@pytest.mark.parametrize(("query", "value"), [(JOIN_BY_UUID, 70), (JOIN_BY_POD, 500)])
def test_the_joins_to_dcgm_that_are_documented_give_a_job_the_figures_of_its_gpus(query, value, tmp_path):
    sample = {"labels": '{namespace="t", trainingjob="one"}', "value": value}
    series = [{"series": name, "values": f"{figure}x5"} for name, figure in SERIES.items()]
    expected = {"expr": query, "eval_time": "2m", "exp_samples": [sample]}
    file = tmp_path / "test.json"  # JSON is YAML
    file.write_text(json.dumps({"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [expected]}]}))
    judged = promtool("test", "rules", file)
    assert judged.returncode == 0, judged.stdout + judged.stderr
