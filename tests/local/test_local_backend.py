"""The backend with supervisors in name only: processes, their ends, and what the core is told of them."""

import os
import signal
from datetime import UTC, datetime

import pytest

from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core.observed import CreateChild, DeleteChild, Plan
from wattrain_operator.local import child as child_module
from wattrain_operator.local.backend import LocalBackend
from wattrain_operator.local.processes import descendants

STATUS = TrainingJobStatus()


def creates(job, attempt=1, role="worker"):
    names = [f"demo-{attempt}-{rank}" for rank in range(job.spec.workers.replicas)]
    if role == "prepare":
        return (CreateChild(f"demo-prepare-{attempt}", "prepare", attempt, 0, 1, 0),)
    return tuple(CreateChild(name, "worker", attempt, rank, len(names), 2) for rank, name in enumerate(names))


class Bench:
    """A backend and short words for what tests do with it."""

    def __init__(self, job, directory, domain, command):
        directory.write_job(job)
        self.job, self.domain = job, domain
        self.backend = LocalBackend(job, directory, command)

    def look(self):
        return self.backend.observe(self.job, STATUS, self.domain.spec, datetime.now(UTC))

    def create(self, *made):
        self.backend.apply(Plan(STATUS, creates=made))

    def delete(self, *children, force=False):
        self.backend.apply(Plan(STATUS, deletes=tuple(DeleteChild(c.name, c.uid, force) for c in children)))

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


def test_children_run_become_ready_and_succeed_with_their_last_word(bench, make_job, until):
    b = bench(make_job(FAKE_STEPS=40))
    b.create(*creates(b.job))
    assert [c.phase for c in b.look().children] == ["Running", "Running"]
    until(lambda: all(c.ready for c in b.look().children), what="readiness")
    until(lambda: all(c.phase == "Succeeded" for c in b.look().children), what="success")
    word = b.look().children[0].last_word
    assert (word.exit_code, word.step, word.model_uri, word.test.accuracy) == (0, 40, "model", 0.99)
    assert [(m.component, m.source, m.joules) for m in word.energy] == [("cpu", "model", 10.0)]


def test_the_report_comes_from_worker_0_and_ends_with_its_last_word(bench, make_job, until):
    b = bench(make_job(FAKE_STEPS=60))
    b.create(*creates(b.job))
    until(lambda: (r := b.look().report) is not None and r.step > 0, what="a report with a step")
    until(lambda: all(c.ended for c in b.look().children), what="the end")
    report = b.look().report
    assert (report.role, report.attempt, report.step, report.total_steps, report.epoch) == ("worker", 1, 60, 60, 2)
    assert report.phase == "done"
    assert report.checkpoint_step is not None


def test_a_step_that_does_not_change_is_timed_on_the_observers_clock(bench, make_job, until):
    b = bench(make_job(FAKE_MODE="wait"))
    b.create(*creates(b.job))
    until(lambda: b.look().report is not None, what="a report")
    first = b.look().report.unchanged_seconds
    until(lambda: b.look().report.unchanged_seconds > first + 0.3, what="time passing")


def test_creating_a_child_that_is_there_changes_nothing(bench, make_job):
    b = bench(make_job(FAKE_MODE="wait"))
    b.create(*creates(b.job))
    before = [c.uid for c in b.look().children]
    b.create(*creates(b.job))
    assert [c.uid for c in b.look().children] == before


def test_a_deleted_child_ends_is_seen_once_more_with_its_last_word_and_vanishes(bench, make_job, until):
    b = bench(make_job(replicas=1, FAKE_MODE="wait"))
    b.create(*creates(b.job))
    until(lambda: b.look().children[0].ready, what="readiness")
    b.delete(*b.look().children)
    seen = []
    until(lambda: not (seen.append(b.look()) or seen[-1].children), what="the child's leaving")
    ended = [look.children[0] for look in seen if look.children and look.children[0].ended]
    assert len(ended) == 1
    assert ended[0].last_word.exit_code == 143
    assert ended[0].last_word.energy[0].joules == 10.0
    assert ended[0].terminating_seconds is not None


def test_deleting_with_another_uid_ends_nothing(bench, make_job):
    b = bench(make_job(replicas=1, FAKE_MODE="wait"))
    b.create(*creates(b.job))
    b.backend.apply(Plan(STATUS, deletes=(DeleteChild("demo-1-0", "another"),)))
    assert b.look().children[0].terminating_seconds is None


def test_a_supervisor_that_ignores_sigterm_is_killed_after_its_time(bench, make_job, until, monkeypatch):
    monkeypatch.setattr(child_module, "KILL_AFTER_SECONDS", 0.3)
    b = bench(make_job(replicas=1, FAKE_MODE="stubborn"))
    b.create(*creates(b.job))
    until(lambda: b.look().children[0].ready, what="readiness")
    [pid] = b.pids()
    b.delete(*b.look().children)
    until(lambda: not b.look().children, what="its end")
    assert not alive(pid)


def test_a_killed_supervisor_without_last_word_is_told_as_killed(bench, make_job, until):
    b = bench(make_job(FAKE_MODE="wait"))
    b.create(*creates(b.job))
    until(lambda: all(c.ready for c in b.look().children), what="readiness")
    os.kill(b.pids()[1], signal.SIGKILL)
    until(lambda: b.look().children[1].ended, what="its end")
    child = b.look().children[1]
    assert (child.phase, child.last_word.exit_code) == ("Failed", -9)
    assert (child.last_word.failure.reason, child.last_word.failure.rank) == ("Killed", 1)
    assert not b.look().children[0].ended


def test_an_exit_without_last_word_is_told_by_its_code(bench, make_job, until):
    b = bench(make_job(replicas=1, FAKE_STEPS=1, FAKE_MODE="silent"))
    b.create(*creates(b.job))
    until(lambda: b.look().children[0].ended, what="its end")
    word = b.look().children[0].last_word
    assert (word.exit_code, word.failure.reason) == (3, "ProgramFailed")


def test_a_stale_last_word_of_an_earlier_command_is_not_believed(bench, make_job, directory, until):
    b = bench(make_job(replicas=1, FAKE_STEPS=1, FAKE_MODE="silent"))
    (directory.directory("termination") / "demo-1-0.json").write_text('{"exitCode": 0, "step": 99}')
    b.create(*creates(b.job))
    until(lambda: b.look().children[0].ended, what="its end")
    assert b.look().children[0].last_word.step == 0


def test_close_leaves_no_process(directory, domain, make_job, fake_supervisor, until):
    b = Bench(make_job(FAKE_MODE="stubborn"), directory, domain, fake_supervisor)
    b.create(*creates(b.job))
    until(lambda: all(c.ready for c in b.look().children), what="readiness")
    pids = b.pids()
    assert set(pids) <= set(descendants(os.getpid()))
    b.backend.close()
    assert not any(alive(pid) for pid in pids)


def test_metrics_of_all_supervisors_are_fetched_by_worker(bench, make_job, until):
    b = bench(make_job(FAKE_MODE="wait"))
    b.create(*creates(b.job))
    until(lambda: all(c.ready for c in b.look().children), what="readiness")
    pages = b.backend.fetch_all("/metrics")
    assert set(pages) == {"0", "1"}
    assert all(b"wattrain_worker_loss 0.5" in page for page in pages.values())


def test_the_output_of_a_child_is_in_its_log(bench, make_job, directory, until):
    b = bench(make_job(replicas=1, FAKE_STEPS=1))
    b.create(*creates(b.job))
    until(lambda: b.look().children[0].ended, what="its end")
    assert (directory.path / "logs" / "demo-1-0.log").read_text() == "fake worker 0 of attempt 1\n"
