"""The backend with supervisors in name only: processes, their ends, and what the core is told of them."""

import os
import signal
from datetime import UTC, datetime

import pytest

from wattrain_api.contract.directive import Directive
from wattrain_api.orphans import descendants
from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core.observed import CreateChild, DeleteChild, DirectChild, Plan
from wattrain_operator.core.roles import Role
from wattrain_operator.local import child as child_module
from wattrain_operator.local.backend import LocalBackend
from wattrain_operator.local.directive_writing import write_directive
from wattrain_operator.local.launch import directive_file

STATUS = TrainingJobStatus()


def creates(job, attempt=1, role=Role.WORKER):
    names = [f"demo-{attempt}-{rank}" for rank in range(job.spec.workers.replicas)]
    if role == Role.PREPARE:
        return (CreateChild(f"demo-prepare-{attempt}", Role.PREPARE, attempt, 0, 1, 0),)
    return tuple(CreateChild(name, Role.WORKER, attempt, rank, len(names), 2) for rank, name in enumerate(names))


class Bench:
    """A backend and short words for what tests do with it."""

    def __init__(self, job, directory, domain, command):
        directory.write_job(job)
        self.job, self.domain = job, domain
        self.backend = LocalBackend(job, directory, command)

    def observe(self):
        return self.backend.observe(self.job, STATUS, self.domain.spec, datetime.now(UTC))

    def create(self, *made):
        self.backend.apply(Plan(STATUS, creates=made))

    def delete(self, *children, force=False):
        self.backend.apply(Plan(STATUS, deletes=tuple(DeleteChild(c.name, c.uid, force) for c in children)))

    def direct(self, child, directive):
        self.backend.apply(Plan(STATUS, directs=(DirectChild(child.name, child.uid, directive),)))

    def pids(self):
        return [child.pid for child in self.backend._children]


@pytest.fixture
def bench(directory, domain, fake_supervisor):
    made = []

    def make(job):
        made.append(Bench(job, directory, domain, fake_supervisor))
        return made[-1]

    yield make
    for one in made:
        one.backend.close()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_children_run_become_ready_and_succeed_with_their_termination_message(bench, make_job, until):
    b = bench(make_job(FAKE_STEPS=40))
    b.create(*creates(b.job))
    assert [c.phase for c in b.observe().children] == ["Running", "Running"]
    until(lambda: all(c.ready for c in b.observe().children), what="readiness")
    until(lambda: all(c.phase == "Succeeded" for c in b.observe().children), what="success")
    termination = b.observe().children[0].termination
    assert (termination.exit_code, termination.step, termination.model_uri, termination.test.accuracy) == (
        0,
        40,
        "model",
        0.99,
    )
    assert [(m.component, m.source, m.joules) for m in termination.energy] == [("cpu", "model", 10.0)]


def test_the_report_comes_from_worker_0_and_ends_with_its_termination_message(bench, make_job, until):
    b = bench(make_job(FAKE_STEPS=60))
    b.create(*creates(b.job))
    until(lambda: (r := b.observe().report) is not None and r.step > 0, what="a report with a step")
    until(lambda: all(c.ended for c in b.observe().children), what="the end")
    report = b.observe().report
    assert (report.role, report.attempt, report.step, report.total_steps, report.epoch) == ("worker", 1, 60, 60, 2)
    assert report.phase == "done"
    assert report.checkpoint_step is not None
    first = b.observe().children[0].uid
    assert [(one.uid, one.worker, one.meters[0].joules) for one in report.energy] == [(first, 0, 10.0)]


def test_a_step_that_does_not_change_is_timed_on_the_observers_clock(bench, make_job, until):
    b = bench(make_job(FAKE_MODE="wait"))
    b.create(*creates(b.job))
    until(lambda: b.observe().report is not None, what="a report")
    first = b.observe().report.unchanged_seconds
    until(lambda: b.observe().report.unchanged_seconds > first + 0.3, what="time passing")


def test_creating_a_child_that_is_there_changes_nothing(bench, make_job):
    b = bench(make_job(FAKE_MODE="wait"))
    b.create(*creates(b.job))
    before = [c.uid for c in b.observe().children]
    b.create(*creates(b.job))
    assert [c.uid for c in b.observe().children] == before


def test_a_deleted_child_ends_is_seen_once_more_with_its_termination_message_and_vanishes(bench, make_job, until):
    b = bench(make_job(replicas=1, FAKE_MODE="wait"))
    b.create(*creates(b.job))
    until(lambda: b.observe().children[0].ready, what="readiness")
    b.delete(*b.observe().children)
    seen = []
    until(lambda: not (seen.append(b.observe()) or seen[-1].children), what="the child's leaving")
    ended = [observed.children[0] for observed in seen if observed.children and observed.children[0].ended]
    assert len(ended) == 1
    assert ended[0].termination.exit_code == 143
    assert ended[0].termination.energy[0].joules == 10.0
    assert ended[0].terminating_seconds is not None


def test_deleting_with_another_uid_ends_nothing(bench, make_job):
    b = bench(make_job(replicas=1, FAKE_MODE="wait"))
    b.create(*creates(b.job))
    b.backend.apply(Plan(STATUS, deletes=(DeleteChild("demo-1-0", "another"),)))
    assert b.observe().children[0].terminating_seconds is None


def test_a_supervisor_that_ignores_sigterm_is_killed_after_its_time(bench, make_job, until, monkeypatch):
    monkeypatch.setattr(child_module, "KILL_AFTER_SECONDS", 0.3)
    b = bench(make_job(replicas=1, FAKE_MODE="stubborn"))
    b.create(*creates(b.job))
    until(lambda: b.observe().children[0].ready, what="readiness")
    [pid] = b.pids()
    b.delete(*b.observe().children)
    until(lambda: not b.observe().children, what="its end")
    assert not alive(pid)


def test_a_killed_supervisor_without_termination_message_is_told_as_killed(bench, make_job, until):
    b = bench(make_job(FAKE_MODE="wait"))
    b.create(*creates(b.job))
    until(lambda: all(c.ready for c in b.observe().children), what="readiness")
    os.kill(b.pids()[1], signal.SIGKILL)
    until(lambda: b.observe().children[1].ended, what="its end")
    child = b.observe().children[1]
    assert (child.phase, child.termination.exit_code) == ("Failed", -9)
    assert (child.termination.failure.reason, child.termination.failure.worker) == ("Killed", 1)
    assert not b.observe().children[0].ended


def test_an_exit_without_termination_message_is_told_by_its_code(bench, make_job, until):
    b = bench(make_job(replicas=1, FAKE_STEPS=1, FAKE_MODE="silent"))
    b.create(*creates(b.job))
    until(lambda: b.observe().children[0].ended, what="its end")
    termination = b.observe().children[0].termination
    assert (termination.exit_code, termination.failure.reason) == (3, "ProgramFailed")


def test_a_stale_termination_message_of_an_earlier_command_is_not_believed(bench, make_job, directory, until):
    b = bench(make_job(replicas=1, FAKE_STEPS=1, FAKE_MODE="silent"))
    (directory.directory("termination") / "demo-1-0.json").write_text('{"exitCode": 0, "step": 99}')
    b.create(*creates(b.job))
    until(lambda: b.observe().children[0].ended, what="its end")
    assert b.observe().children[0].termination.step == 0


def test_close_leaves_no_process(directory, domain, make_job, fake_supervisor, until):
    b = Bench(make_job(FAKE_MODE="stubborn"), directory, domain, fake_supervisor)
    b.create(*creates(b.job))
    until(lambda: all(c.ready for c in b.observe().children), what="readiness")
    pids = b.pids()
    assert set(pids) <= set(descendants(os.getpid()))
    b.backend.close()
    assert not any(alive(pid) for pid in pids)


def test_metrics_of_all_supervisors_are_fetched_by_worker(bench, make_job, until):
    b = bench(make_job(FAKE_MODE="wait"))
    b.create(*creates(b.job))
    until(lambda: all(c.ready for c in b.observe().children), what="readiness")
    pages = b.backend.fetch_all("/metrics")
    assert set(pages) == {"0", "1"}
    assert all(b"wattrain_worker_loss 0.5" in page for page in pages.values())


def test_a_directive_of_another_command_is_seen_and_not_replaced_by_one_of_its_version(bench, make_job, directory):
    b = bench(make_job(FAKE_MODE="undirected"))
    b.create(*creates(b.job))
    first = b.observe().children[0]
    write_directive(directive_file(directory, first.name), Directive(1, profile_steps=5))  # as wattrain profile does
    b.direct(first, Directive(1, stop_at_step=0))
    assert b.observe().children[0].directive == Directive(1, profile_steps=5)
    b.direct(first, Directive(2, stop_at_step=0))
    assert b.observe().children[0].directive == Directive(2, stop_at_step=0)


def test_the_output_of_a_child_is_in_its_log(bench, make_job, directory, until):
    b = bench(make_job(replicas=1, FAKE_STEPS=1))
    b.create(*creates(b.job))
    until(lambda: b.observe().children[0].ended, what="its end")
    assert (directory.path / "logs" / "demo-1-0.log").read_text().startswith("fake worker 0 of attempt 1\n")
