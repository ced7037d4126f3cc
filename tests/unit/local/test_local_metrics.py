"""One page for the whole job."""

import contextlib
import socket
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wattrain_api import reasons
from wattrain_api.metrics import JOB, exported_of
from wattrain_api.powerdomain import PowerDomain, PowerDomainSpec, Tariff
from wattrain_api.status import Condition, PreparedSamples, Progress, TrainingJobStatus
from wattrain_api.trainingjob import ObjectMeta
from wattrain_operator.local import metrics_page
from wattrain_operator.local.refused import Refused

WORKER = b"""# HELP wattrain_worker_loss Training loss.
# TYPE wattrain_worker_loss gauge
wattrain_worker_loss %s
# HELP wattrain_worker_energy_joules_total Energy.
# TYPE wattrain_worker_energy_joules_total counter
wattrain_worker_energy_joules_total{component="cpu",device="",source="model"} %s
# HELP wattrain_worker_step_duration_seconds Time of a step.
# TYPE wattrain_worker_step_duration_seconds histogram
wattrain_worker_step_duration_seconds_bucket{le="0.1"} 3
wattrain_worker_step_duration_seconds_bucket{le="+Inf"} 4
wattrain_worker_step_duration_seconds_count 4
wattrain_worker_step_duration_seconds_sum 0.5
"""
STATUS = TrainingJobStatus(state="Running")
DOMAIN = PowerDomain(metadata=ObjectMeta(name="desk"), spec=PowerDomainSpec(tariff=Tariff(price_per_kwh=0.5)))


def families(make_job, status=STATUS, pages=None, domain=DOMAIN):
    job = make_job()
    job = job.model_copy(update={"metadata": job.metadata.model_copy(update={"namespace": "local"})})
    if pages is None:
        pages = {"0": WORKER % (b"0.5", b"7"), "1": WORKER % (b"0.5", b"8")}
    text = metrics_page.page([metrics_page.JobFigures(job, status, domain, pages)])
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


def test_the_families_of_all_workers_are_one_labelled_by_worker(make_job):
    found = families(make_job)
    energy = {s.labels["worker"]: s.value for s in found["wattrain_worker_energy_joules"].samples}
    assert energy == {"0": 7.0, "1": 8.0}
    assert {s.labels["source"] for s in found["wattrain_worker_energy_joules"].samples} == {"model"}
    assert found["wattrain_worker_energy_joules"].type == "counter"
    steps = found["wattrain_worker_step_duration_seconds"]
    assert steps.type == "histogram"
    assert len(steps.samples) == 8


@pytest.mark.parametrize(
    ("state", "phase", "paused"),
    [
        ("Running", "training", [0]), ("Running", "evaluating", [1]), ("Running", "checkpointing", [1]),
        ("Running", "exporting", [1]), ("Complete", "exporting", [0]), ("Suspended", "evaluating", [0]),
        ("Running", None, []),
    ],
)  # fmt: skip
def test_steps_are_paused_while_a_running_job_does_what_takes_longer(make_job, state, phase, paused):
    status = TrainingJobStatus(state=state, progress=None if phase is None else Progress(phase=phase))
    found = families(make_job, status)["wattrain_trainingjob_steps_paused"]
    assert [sample.value for sample in found.samples] == paused


def test_the_jobs_own_figures_have_the_names_and_helps_of_the_catalogue(make_job, filled):
    admitted = filled(Condition, type=reasons.ADMITTED, status="False", reason=reasons.QUEUED)
    found = families(make_job, filled(TrainingJobStatus, state="Queued", conditions=(admitted,)))
    for exported in exported_of(JOB):
        family = found[exported.name.removesuffix("_total")]
        assert (family.documentation, family.type) == (exported.metric.help, exported.metric.type)
        assert family.samples, exported.name
        assert {s.name for s in family.samples} == {exported.name}
        assert all(set(s.labels) == set(exported.labels) for s in family.samples)


def test_the_power_domain_of_the_jobs_has_its_prices_and_places(make_job):
    found = families(make_job)
    price = found["wattrain_powerdomain_energy_price_per_kwh"].samples[0]
    assert (price.labels, price.value) == ({"powerdomain": "desk", "currency": "EUR"}, 0.5)
    assert found["wattrain_powerdomain_granted_jobs"].samples[0].value == 0.0
    assert found["wattrain_powerdomain_max_running_jobs"].samples == []


def test_the_state_is_1_for_one_state_alone(make_job):
    samples = families(make_job)["wattrain_trainingjob_state"].samples
    assert [s.labels["state"] for s in samples if s.value == 1.0] == ["Running"]
    assert len(samples) == 10


def test_what_is_not_known_is_left_out(make_job):
    found = families(make_job, TrainingJobStatus(), {})
    assert found["wattrain_trainingjob_loss"].samples == []
    assert found["wattrain_trainingjob_emissions_co2e_grams"].samples == []
    assert found["wattrain_trainingjob_restarts"].samples[0].value == 0.0


def test_how_far_a_preparation_is_is_told_of_its_stage(make_job):
    found = families(make_job, replace(STATUS, prepared=PreparedSamples("reading", 3, 12, 25.0, 1.5)), {})
    for name, value in (("prepared_samples", 3), ("prepare_samples_per_second", 1.5), ("prepared_ratio", 0.25)):
        (sample,) = found[f"wattrain_trainingjob_{name}"].samples
        assert (sample.labels["stage"], sample.value) == ("reading", value)


def test_the_server_answers_503_until_there_is_something_to_show_and_404_elsewhere():
    with contextlib.closing(metrics_page.MetricsServer()) as server:
        with pytest.raises(urllib.error.HTTPError, match="503") as early:
            urllib.request.urlopen(server.url)
        early.value.close()
        server.show(lambda: b"a 1\n")
        with urllib.request.urlopen(server.url) as answer:
            assert answer.read() == b"a 1\n"
            assert answer.headers["Content-Type"].startswith("text/plain")
        with pytest.raises(urllib.error.HTTPError, match="404") as elsewhere:
            urllib.request.urlopen(server.url.replace("/metrics", "/secrets"))
        elsewhere.value.close()


def test_a_port_in_use_is_refused_with_its_number():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Refused, match=f"--metrics-port {port}: is in use; choose another"):
            metrics_page.MetricsServer(port)
