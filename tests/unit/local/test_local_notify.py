"""`wattrain run --notify`: the loop with the real core and a real receiver; supervisors are such in name only."""

import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml
from harness.webhook_receiver import webhook_receiver
from standardwebhooks import Webhook as Reference
from typer.testing import CliRunner

from wattrain_api.load import load_files
from wattrain_operator.cli.app import app
from wattrain_operator.core import notifying
from wattrain_operator.local import session
from wattrain_operator.local.interrupts import Interrupts
from wattrain_operator.local.job_run import JobToRun
from wattrain_operator.local.metrics_page import MetricsServer
from wattrain_operator.local.resume import start
from wattrain_operator.local.run import LocalRun
from wattrain_operator.local.run_notifier import RunNotifier
from wattrain_operator.notifications.webhook import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


@pytest.fixture
def receiver():
    with webhook_receiver() as server:
        yield server


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(notifying, "FIRST_PAUSE_SECONDS", 0.0)


class Watcher:
    """A view that remembers events."""

    def __init__(self, act=lambda: None):
        self.events, self.act = [], act

    def begin(self, openings):
        pass

    def show(self, job, seen):
        if seen.status.state in ("Complete", "Failed"):
            self.act()

    def event(self, job, event):
        self.events.append(event)

    def end(self, job, result):
        pass

    def close(self):
        pass


@pytest.fixture
def run(directory, domain, fake_supervisor, receiver):
    def go(job, view=None, interrupts=None):
        begun = start(directory, job, domain.spec, datetime.now(UTC))
        to_run = JobToRun(begun, domain, directory, RunNotifier(Webhook.of(receiver.url, SECRET)))
        with contextlib.closing(MetricsServer()) as server:
            local_run = LocalRun([to_run], view or Watcher(), interrupts or Interrupts(), fake_supervisor)
            [result] = local_run.run(server)
        return result

    return go


def test_the_receiver_is_told_once_when_the_job_is_complete(run, make_job, receiver, directory):
    result = run(make_job(FAKE_STEPS=5))
    [request] = receiver.received
    told = Reference(SECRET).verify(request.body, request.headers)
    job = directory.read_job()
    assert request.headers["webhook-id"] == f"{job.metadata.uid}-complete"
    assert (told["type"], told["data"]["name"], told["data"]["step"]) == ("trainingjob.complete", "demo", 5)
    assert told["data"]["energy"]["joules"] == result.status.energy.joules
    assert directory.read_status().internal.notification.outcome == "Delivered"
    assert SECRET.encode() not in b"".join(file.read_bytes() for file in directory.path.rglob("*") if file.is_file())


def test_the_receiver_is_told_that_the_job_failed(run, make_job, receiver):
    run(make_job(FAKE_MODE="bad-data"))
    [request] = receiver.received
    assert json.loads(request.body)["data"]["reason"] == "BadData"


def test_a_receiver_that_recovers_is_told_with_the_same_id(run, make_job, receiver):
    receiver.answer = lambda number: (500, "break", 302, 204)[number - 1]
    view = Watcher()
    run(make_job(FAKE_STEPS=5), view)
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1
    assert len(receiver.received) == 4
    assert "NotificationFailed" not in [event.reason for event in view.events]


def test_a_receiver_that_never_takes_it_is_given_up_and_the_job_is_complete_all_the_same(run, make_job, receiver):
    receiver.answer = lambda number: 500
    view = Watcher()
    result = run(make_job(FAKE_STEPS=5), view)
    assert (result.exit_code, len(receiver.received)) == (0, 5)
    [event] = [event for event in view.events if event.reason == "NotificationFailed"]
    assert event.message.startswith("127.0.0.1 did not take the notification that the job is Complete (5 tries")


def test_an_interrupt_ends_the_waiting_and_the_same_command_tells_it_later(run, make_job, receiver, directory):
    receiver.answer = lambda number: "wait" if number == 1 else 204
    interrupts = Interrupts()

    def interrupt():
        interrupts.count = len(receiver.received)

    first = run(make_job(FAKE_STEPS=5), Watcher(interrupt), interrupts)
    assert (first.exit_code, directory.read_status().internal.notification.outcome) == (0, None)
    again = run(make_job(FAKE_STEPS=5))
    assert (again.exit_code, len(receiver.received)) == (0, 2)
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1


def test_a_complete_job_is_gone_on_with_only_where_somebody_is_to_be_told_of_it(
    run, make_job, receiver, directory, domain, tmp_path
):
    run(make_job(FAKE_STEPS=5))
    webhook = Webhook.of(receiver.url)
    told = directory.read_status()
    assert not isinstance(session._start(make_job(FAKE_STEPS=5), domain, directory, webhook), JobToRun)
    awaited = replace(told.internal.notification, outcome=None)
    directory.write_status(replace(told, internal=replace(told.internal, notification=awaited)))
    assert isinstance(session._start(make_job(FAKE_STEPS=5), domain, directory, webhook), JobToRun)
    assert not isinstance(session._start(make_job(FAKE_STEPS=5), domain, directory, None), JobToRun)


@pytest.mark.parametrize(
    ("url", "secret", "sentence"),
    [
        ("hooks.example.com/x?token=t0k", "", "--notify: begins with neither http:// nor https://"),
        ("https://hooks.example.com", "t0k", "WATTRAIN_NOTIFY_SECRET: write whsec_"),
    ],
)
def test_what_cannot_be_notified_is_refused_before_anything_starts(tmp_path, monkeypatch, url, secret, sentence):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATTRAIN_NOTIFY_SECRET", secret)
    spec = {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}}
    document = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "demo"}}
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump({**document, "spec": spec}))
    assert load_files([file]).jobs
    result = CliRunner().invoke(app, ["run", str(file), "--notify", url])
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "t0k" not in result.stderr
    assert not (tmp_path / "runs").exists()
