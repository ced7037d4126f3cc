"""The loop with the real core and supervisors in name only."""

import contextlib
import json
import threading
import urllib.request
from datetime import UTC, datetime

import pytest

from wattrain_operator.local.interrupts import Interrupts
from wattrain_operator.local.job_run import JobToRun
from wattrain_operator.local.metrics_page import MetricsServer
from wattrain_operator.local.resume import start
from wattrain_operator.local.run import LocalRun


class Watcher:
    """A view that remembers, and lets a test act on what it sees."""

    def __init__(self, act=lambda seen: None):
        self.shown, self.events, self.result, self.act = [], [], None, act

    def begin(self, opening):
        raise AssertionError("the loop begins no view")

    def show(self, job, seen):
        self.shown.append(seen)
        self.act(seen)

    def event(self, job, event):
        self.events.append(event.reason)

    def end(self, job, result):
        self.result = result

    def close(self):
        pass

    def states(self):
        states = [seen.status.state for seen in self.shown]
        return [state for i, state in enumerate(states) if i == 0 or state != states[i - 1]]


@pytest.fixture
def run(directory, domain, fake_supervisor):
    def go(job, view, interrupts=None):
        begun = start(directory, job, domain.spec, datetime.now(UTC))
        interrupts = interrupts or Interrupts()
        with contextlib.closing(MetricsServer()) as server:
            view.url = server.url
            to_run = JobToRun(begun, domain, directory)
            [result] = LocalRun([to_run], view, interrupts, fake_supervisor).run(server)
            return result

    return go


def test_a_job_runs_from_preparation_to_receipt(run, make_job, directory):
    view = Watcher()
    result = run(make_job(FAKE_STEPS=40), view)
    assert (result.exit_code, result.status.state) == (0, "Complete")
    assert view.states()[0] == "Preparing"
    assert view.states()[-2:] == ["Running", "Complete"]
    assert {"DataPrepared", "WorkersRunning", "CheckpointSaved", "TrainingComplete"} <= set(view.events)
    assert result.status.energy.joules == pytest.approx(30.0)  # the preparation and two workers, 10 J each
    assert result.status.model.metrics.accuracy == 0.99
    assert result.status.progress.step == 40
    assert view.shown[-1].losses[-1] == (40, 1 / 40)
    files = {entry.name for entry in directory.path.iterdir()}
    assert {
        "status.json", "events.jsonl", "metrics.jsonl", "logs", "checkpoints", "model", "prepare.json", "spec.json",
        "job.json", "receipt.json", "receipt.md", "receipt.html",
    } <= files  # fmt: skip
    assert json.loads((directory.path / "status.json").read_bytes()) == result.status.to_json_object()
    told = [json.loads(line)["reason"] for line in (directory.path / "events.jsonl").read_text().splitlines()]
    assert told == view.events


def test_while_a_job_trains_it_is_seldom_looked_at_and_its_end_is_noticed_all_the_same(run, make_job, monkeypatch):
    monkeypatch.setattr("wattrain_operator.local.run.STEADY_PASS_SECONDS", 3600)
    view = Watcher()
    result = run(make_job(FAKE_STEPS=200), view)  # four seconds, in which every pass of 0.2 s would be one of 20
    assert result.status.state == "Complete"
    training = [seen for seen in view.shown if seen.status.state == "Running" and seen.progress.phase == "training"]
    assert 1 <= len(training) < 10


def test_an_interrupt_is_heeded_however_long_the_next_pass_may_wait(run, make_job, monkeypatch):
    monkeypatch.setattr("wattrain_operator.local.run.STEADY_PASS_SECONDS", 3600)
    interrupts = Interrupts()
    later = threading.Timer(1.0, lambda: setattr(interrupts, "count", 1))

    def interrupt(seen):
        if seen.progress and seen.progress.phase == "training" and not later.ident:
            later.start()

    result = run(make_job(FAKE_STEPS=100_000), Watcher(interrupt), interrupts)
    later.join(20)
    assert (result.exit_code, result.status.state) == (130, "Suspended")


def test_bad_data_fails_the_job_as_bad_input(run, make_job):
    result = run(make_job(FAKE_MODE="bad-data"), Watcher())
    assert (result.exit_code, result.status.reason) == (2, "BadData")
    assert result.sentences[0] == "failed (BadData): line 3 is no number"


def test_a_program_that_always_fails_uses_its_budget_up(run, make_job):
    result = run(make_job(FAKE_STEPS=1, FAKE_MODE="silent", policy={"maxRestarts": 0}), Watcher())
    assert (result.exit_code, result.status.reason) == (1, "RestartBudgetExhausted")


def test_one_interrupt_suspends_and_the_next_run_goes_on(run, make_job, directory):
    interrupts = Interrupts()

    def interrupt(seen):
        if seen.progress and seen.progress.step > 5 and not interrupts.count:
            interrupts.count = 1

    first = run(make_job(FAKE_STEPS=150), Watcher(interrupt), interrupts)
    assert (first.exit_code, first.status.state) == (130, "Suspended")
    assert "run the same command again to go on" in first.sentences[0]
    saved = int((directory.path / "checkpoints" / "LATEST").read_text())
    assert saved > 5
    view = Watcher()
    second = run(make_job(FAKE_STEPS=150), view)
    assert (second.exit_code, second.status.attempt, second.status.restart_count) == (0, 2, 0)
    assert min(seen.progress.step for seen in view.shown if seen.progress and seen.progress.step) >= saved
    assert "JobResumed" in view.events


def test_two_interrupts_end_workers_that_do_not_listen(run, make_job):
    interrupts = Interrupts()

    def interrupt(seen):
        if seen.status.state == "Running" and not interrupts.count:
            interrupts.count = 1
        elif seen.status.state == "Suspending":
            interrupts.count = 2

    result = run(make_job(FAKE_MODE="stubborn", FAKE_STEPS=100_000), Watcher(interrupt), interrupts)
    assert (result.exit_code, result.status.state) == (130, "Suspended")


def test_a_view_whose_reader_is_gone_stops_the_job_with_a_checkpoint(run, make_job):
    def gone(seen):
        if seen.progress and seen.progress.step > 5:
            raise BrokenPipeError

    result = run(make_job(FAKE_STEPS=100_000), Watcher(gone))
    assert (result.exit_code, result.status.state) == (130, "Suspended")


def test_one_address_has_the_metrics_of_all_workers_and_of_the_job(run, make_job):
    pages = []

    def scrape(seen):
        if seen.status.state == "Running" and seen.progress and seen.progress.step and len(pages) < 1:
            with urllib.request.urlopen(view.url) as answer:
                pages.append(answer.read().decode())

    view = Watcher(scrape)
    run(make_job(FAKE_STEPS=100), view)
    assert 'wattrain_worker_loss{namespace="local",trainingjob="demo",worker="0"} 0.5' in pages[0]
    assert 'wattrain_worker_loss{namespace="local",trainingjob="demo",worker="1"} 0.5' in pages[0]
    assert 'wattrain_trainingjob_state{namespace="local",state="Running",trainingjob="demo"} 1.0' in pages[0]


def test_an_attempt_after_a_killed_command_goes_on_from_the_checkpoint(run, make_job, directory):
    """What a killed command leaves: a status that says that the group was complete, and no process."""
    interrupts = Interrupts()

    def vanish(seen):
        if seen.progress and seen.progress.step > 5:
            raise RuntimeError("as if killed")

    with pytest.raises(RuntimeError, match="as if killed"):
        run(make_job(FAKE_STEPS=200), Watcher(vanish), interrupts)
    assert directory.read_status().internal.group_complete
    second = run(make_job(FAKE_STEPS=200), Watcher())
    assert (second.exit_code, second.status.attempt) == (0, 2)
    assert [(r.reason, r.counted) for r in second.status.restarts] == [("WorkerLost", False)]
