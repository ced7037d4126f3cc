"""What a worker, a run and the operator export is as Prometheus wants it, by promtool's own judgement."""

import asyncio
from collections import Counter

import pytest
from harness.prometheus import promtool

from wattrain_api.contract.progress import Progress
from wattrain_api.contract_examples import EXAMPLES
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
