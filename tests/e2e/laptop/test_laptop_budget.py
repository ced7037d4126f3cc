"""A budget on this machine, with real workers: held before it is spent, and raised it goes on where it was."""

import json


def test_a_job_stops_before_its_budget_is_spent_and_goes_on_from_its_checkpoint_once_it_is_raised(laptop, examples):
    job = [examples / "digits-mlp.yaml", "--set", "training.epochs=4000"]
    budget = "energy.budget={{energyKWh: {}, allowEstimated: true, action: {}}}"
    joules = 80.0
    assert laptop.run(*job, "--set", budget.format(joules / 3.6e6, "CheckpointAndSuspend")) == 3
    [result] = laptop.of("result")
    status = result["status"]
    assert (result["state"], status["reason"]) == ("Suspended", "EnergyBudgetSpent")
    reserve = status["internal"]["budget"]["reserve"]["energyKWh"] * 3.6e6
    assert joules - reserve <= status["energy"]["joules"] <= joules + reserve
    step = status["progress"]["step"]
    assert 0 < step < status["progress"]["totalSteps"]
    assert laptop.processes() == {}

    assert laptop.run(*job, "--set", budget.format(joules * 1.6 / 3.6e6, "Stop")) == 3
    [result] = laptop.of("result")
    assert (result["state"], result["status"]["reason"]) == ("Failed", "EnergyBudgetSpent")
    steps = sorted(json.loads(line)["step"] for line in (laptop.directory / "metrics.jsonl").read_text().splitlines())
    assert min(s for s in steps if s > step) == step + 1
    assert result["status"]["restartCount"] == 0
