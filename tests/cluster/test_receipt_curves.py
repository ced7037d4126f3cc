"""The curves of a receipt, from a real Prometheus with a past of one job, its restart, and a namesake elsewhere."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
from harness.fixtures import or_skipped
from harness.prometheus import running_prometheus

from wattrain_api.metrics import JOB
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import EnergyStatus, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.dashboard.shipped import drawing_code
from wattrain_operator.local.refused import Refused
from wattrain_operator.receipt import Circumstances, build, to_html
from wattrain_operator.remote.prometheus_curves import read_curves
from wattrain_operator.remote.seen_job import seen_job

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECONDS = 600
EVERY = 5
SPEC = {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}}


def step_at(seconds):
    """A step a second; after five minutes a restart goes back by a minute."""
    return seconds + 1 if seconds < 300 else seconds - 59


def past():
    """What a Prometheus keeps that scraped every five seconds: power stops when the group does, for 40 seconds."""
    figures = {
        "loss": lambda s: 2.0 / step_at(s),
        "step": step_at,
        "power_watts": lambda s: None if 300 <= s < 340 else 40.0 + s / 100,
    }
    lines = []
    for name, figure in figures.items():
        lines.append(f"# TYPE {JOB.prefix}{name} gauge")
        for namespace, factor in (("team-a", 1.0), ("team-b", 1000.0)):
            identity = ",".join(
                f'{label}="{value}"' for label, value in zip(JOB.identity, (namespace, "digits"), strict=True)
            )
            for seconds in range(0, SECONDS, EVERY):
                if (value := figure(seconds)) is not None:
                    at = START.timestamp() + seconds
                    lines.append(f"{JOB.prefix}{name}{{{identity}}} {factor * value} {at:.0f}")
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    with or_skipped(), running_prometheus(tmp_path_factory.mktemp("past"), openmetrics=past()) as server:
        yield server.url


def job(name="digits", end=START + timedelta(seconds=SECONDS)):
    status = {
        "state": "Complete", "startTime": START.isoformat(), "completionTime": end.isoformat(), "observedGeneration": 1,
    }  # fmt: skip
    return seen_job({"metadata": {"name": name, "namespace": "team-a", "uid": "u"}, "spec": SPEC, "status": status})


def read(url, of):
    return asyncio.run(read_curves(url, of, datetime.now(UTC)))


def test_loss_and_power_are_this_jobs_and_a_restart_replaces_what_it_repeats(prometheus):
    recorded = read(prometheus, job())
    assert recorded.missing == ()
    loss = recorded.curves.loss
    steps = [step for step, _ in loss]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (1, step_at(SECONDS - EVERY))
    assert all(value == pytest.approx(2.0 / step) for step, value in loss)
    watts = [power for part in recorded.curves.power for _, power in part]
    assert (min(watts), max(watts)) == (40.0, 40.0 + (SECONDS - EVERY) / 100)


def test_they_are_drawn_and_a_caption_counts_no_energy_that_nobody_counted(prometheus):
    read_job = TrainingJob.model_validate({"metadata": {"name": "digits"}, "spec": SPEC})
    status = TrainingJobStatus(energy=EnergyStatus(joules=1e6, low=1e6, high=1e6, measured_ratio=1.0))
    receipt = build(read_job, status, PowerDomainSpec(), Circumstances())
    page = to_html(receipt, read(prometheus, job()).curves, drawing_code())
    assert page.count('<div class="plot"') == 2
    assert "Loss, logarithmic" in page
    assert re.search(r"Power, in watts, measured</figcaption>", page)
    assert "not in the chart" not in page


def test_what_it_has_nothing_of_is_named(prometheus):
    recorded = read(prometheus, job("another"))
    assert recorded.missing == tuple(f"{JOB.prefix}{name}" for name in ("loss", "step", "power_watts"))
    assert (recorded.curves.loss, recorded.curves.power) == ((), ())


def test_figures_of_an_earlier_job_of_that_name_are_not_taken(prometheus):
    later = job(end=START + timedelta(days=1))
    status = {**later.body["status"], "startTime": (START + timedelta(hours=20)).isoformat()}
    assert read(prometheus, seen_job({**later.body, "status": status})).curves.loss == ()


@pytest.mark.parametrize("path", ["/nowhere", ""])
def test_what_is_no_prometheus_is_refused_in_a_sentence(prometheus, path):
    url = f"{prometheus}{path}" if path else "http://127.0.0.1:1"
    with pytest.raises(
        Refused, match=r"--prometheus http://127.0.0.1:\d+.*give the address of a Prometheus"
    ) as refused:
        read(url, job())
    assert refused.value.exit_code == 1


@pytest.mark.parametrize("url", ["127.0.0.1:9090", "file:///dev/null"])
def test_what_is_no_address_is_bad_input(url):
    with pytest.raises(Refused, match="is no address of a Prometheus; write one as in http") as refused:
        read(url, job())
    assert refused.value.exit_code == 2
