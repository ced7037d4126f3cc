"""Several jobs in one run, with the real core and supervisors in name only."""

import contextlib
import json
import os
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wattrain_api import reasons
from wattrain_api.orphans import descendants
from wattrain_api.powerdomain import PowerDomain, PowerDomainSpec
from wattrain_api.trainingjob import ObjectMeta
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.local import child
from wattrain_operator.local.backend import LocalBackend
from wattrain_operator.local.interrupts import Interrupts
from wattrain_operator.local.job_run import JobToRun
from wattrain_operator.local.metrics_page import MetricsServer
from wattrain_operator.local.resume import start
from wattrain_operator.local.run import LocalRun
from wattrain_operator.local.rundir import RunDirectory


def has_place(status):
    return is_true(status, reasons.ADMITTED) and not is_finished(status)


class Watcher:
    """A view that remembers what it was shown of each job, and lets a test act on it."""

    def __init__(self, act=lambda watcher: None):
        self.act, self.now, self.history, self.events, self.results = act, {}, {}, [], {}
        self.at_once = 0
        """The most jobs that had a place at the same time."""
        self.deadline = time.monotonic() + 60

    def begin(self, openings):
        raise AssertionError("the loop begins no view")

    def show(self, job, seen):
        assert time.monotonic() < self.deadline, f"not over within a minute: {self.now}"
        self.now[job] = seen
        self.history.setdefault(job, []).append(seen.status)
        self.at_once = max(self.at_once, sum(has_place(shown.status) for shown in self.now.values()))
        self.act(self)

    def event(self, job, event):
        self.events.append((job, event.reason))

    def end(self, job, result):
        self.results[job] = result

    def close(self):
        pass

    def step(self, job):
        progress = self.now[job].progress if job in self.now else None
        return 0 if progress is None or progress.step is None else progress.step

    def admitted(self):
        return [job for job, reason in self.events if reason == reasons.JOB_ADMITTED]


@pytest.fixture
def one_at_a_time():
    return PowerDomain(metadata=ObjectMeta(name="default"), spec=PowerDomainSpec(max_running_jobs=1))


@pytest.fixture
def named(make_job):
    """A job of one worker with that name and priority."""

    def make(name, priority=0, **fields):
        job = make_job(replicas=1, **fields)
        queue = job.spec.queue.model_copy(update={"priority": priority})
        metadata = job.metadata.model_copy(update={"name": name})
        return job.model_copy(update={"metadata": metadata, "spec": job.spec.model_copy(update={"queue": queue})})

    return make


def mentions(pid, path):
    """Whether a process was started with `path` in its environment or its arguments, as those of a job are."""
    with contextlib.suppress(OSError):  # it has just ended
        return any(str(path).encode() in Path(f"/proc/{pid}/{of}").read_bytes() for of in ("environ", "cmdline"))
    return False


@pytest.fixture
def run(tmp_path, fake_supervisor):
    """Runs jobs, each in its directory below tmp_path, in one domain or each in its own; their results by name."""

    def go(jobs, domain, view, interrupts=None):
        domains = domain if isinstance(domain, list) else [domain] * len(jobs)
        with contextlib.ExitStack() as opened:
            to_run = []
            for job, its_domain in zip(jobs, domains, strict=True):
                path = tmp_path / job.metadata.name
                directory = opened.enter_context(contextlib.closing(RunDirectory.open(path, wait_seconds=5)))
                to_run.append(
                    JobToRun(start(directory, job, PowerDomainSpec(), datetime.now(UTC)), its_domain, directory)
                )
            server = opened.enter_context(contextlib.closing(MetricsServer()))
            view.url = server.url
            results = LocalRun(to_run, view, interrupts or Interrupts(), fake_supervisor).run(server)
        assert not any(mentions(pid, tmp_path) for pid in descendants(os.getpid()))  # a shared node has processes too
        return dict(zip([job.metadata.name for job in jobs], results, strict=True))

    return go


def test_under_a_limit_of_one_the_higher_priority_runs_first_and_never_two_at_once(run, named, one_at_a_time):
    view = Watcher()
    jobs = [named("low"), named("first"), named("high", 5), named("second")]
    results = run(jobs, one_at_a_time, view)
    assert {name: result.exit_code for name, result in results.items()} == dict.fromkeys(results, 0)
    assert view.admitted() == ["high", "low", "first", "second"]  # equals in the order of the files
    assert view.at_once == 1
    waits = view.history["second"][0]
    assert (waits.state, waits.queue.position, waits.queue.held_by) == ("Queued", 3, "local/high")
    assert waits.message == "waits for a place: maxRunningJobs 1 of power domain default"
    assert view.results == results


def test_without_a_limit_all_run_at_the_same_time(run, named, domain, tmp_path):
    def together(watcher):
        running.append({job for job in watcher.now if watcher.now[job].status.state == "Running"})
        processes.append(sum(mentions(pid, tmp_path) for pid in descendants(os.getpid())))

    running, processes = [], []
    results = run([named("a", FAKE_STEPS=60), named("b", FAKE_STEPS=60)], domain, Watcher(together))
    assert [result.exit_code for result in results.values()] == [0, 0]
    assert {"a", "b"} in running
    assert max(processes) >= 2  # of which nothing is left: `run` looks


def cpus_told(path):
    return float((path / "logs" / f"{path.name}-1-0.log").read_text().partition("cpus: ")[2].split()[0])


def test_jobs_that_may_run_together_share_the_cores_and_one_that_runs_alone_has_all(
    run, named, domain, one_at_a_time, tmp_path
):
    run([named(name, FAKE_STEPS=1) for name in ("a", "b")], domain, Watcher())
    run([named(name, FAKE_STEPS=1) for name in ("c", "d")], one_at_a_time, Watcher())
    together, alone = cpus_told(tmp_path / "a") + cpus_told(tmp_path / "b"), cpus_told(tmp_path / "c")
    assert together == alone == len(os.sched_getaffinity(0))


def test_a_limit_is_of_one_domain_and_not_of_the_jobs_of_another(run, named, one_at_a_time):
    other = one_at_a_time.model_copy(update={"metadata": ObjectMeta(name="other")})
    view = Watcher()
    run([named(name, FAKE_STEPS=60) for name in "abc"], [one_at_a_time, other, one_at_a_time], view)
    assert view.at_once == 2
    assert view.history["c"][0].queue.held_by == "local/a"


def test_a_job_that_fails_lets_the_next_run(run, named, one_at_a_time):
    view = Watcher()
    bad, good = named("bad", 9, FAKE_MODE="silent", FAKE_STEPS=1, policy={"maxRestarts": 0}), named("good")
    results = run([good, bad], one_at_a_time, view)
    assert (results["bad"].exit_code, results["good"].exit_code) == (1, 0)
    assert (view.admitted(), view.at_once) == (["bad", "good"], 1)


def test_the_place_of_a_job_that_failed_is_free_only_when_the_last_of_its_processes_has_ended(
    run, named, one_at_a_time, monkeypatch
):
    def remember(_):
        with_processes.append({job for job in ("bad", "good") if any(job in found for found in map(mark, pids()))})

    def pids():
        return descendants(os.getpid())

    def mark(pid):
        with contextlib.suppress(OSError):  # it has just ended
            variables = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
            return [variable.removeprefix("MARK=") for variable in variables]
        return []

    with_processes = []
    monkeypatch.setattr(child, "KILL_AFTER_SECONDS", 1.0)
    bad = named("bad", 9, FAKE_MODE="stubborn", FAKE_STEPS=100_000, MARK="bad", policy={"activeDeadlineSeconds": 2})
    results = run([bad, named("good", MARK="good")], one_at_a_time, Watcher(remember))
    assert (results["bad"].status.reason, results["good"].exit_code) == ("ActiveDeadlineExceeded", 0)
    assert {"bad"} in with_processes
    assert {"good"} in with_processes
    assert {"bad", "good"} not in with_processes


def test_one_interrupt_stops_the_job_that_waits_at_once_and_the_other_with_a_checkpoint(run, named, one_at_a_time):
    def interrupt(watcher):
        if watcher.step("high") > 5 and not interrupts.count:
            interrupts.count = 1

    interrupts, view = Interrupts(), Watcher(interrupt)
    jobs = [named("low", FAKE_STEPS=30), named("high", 1, FAKE_STEPS=80)]
    results = run(jobs, one_at_a_time, view, interrupts)
    assert {result.exit_code for result in results.values()} == {130}
    assert list(view.results) == ["low", "high"]
    assert results["low"].sentences == ("stopped before it began; run the same command again to start it",)
    assert "to go on from the " in results["high"].sentences[0]
    assert "low" not in view.admitted()

    again = Watcher()
    results = run(jobs, one_at_a_time, again)
    assert [result.exit_code for result in results.values()] == [0, 0]
    assert (again.admitted(), again.at_once) == (["high", "low"], 1)
    assert ("high", "JobResumed") in again.events
    assert [results[name].status.attempt for name in ("high", "low")] == [2, 1]


def test_two_interrupts_end_all_jobs_that_do_not_listen(run, named, domain):
    def interrupt(watcher):
        states = [seen.status.state for seen in watcher.now.values()]
        if states == ["Running", "Running"] and not interrupts.count:
            interrupts.count = 1
        elif states == ["Suspending", "Suspending"]:
            interrupts.count = 2

    interrupts = Interrupts()
    jobs = [named(name, FAKE_MODE="stubborn", FAKE_STEPS=100_000) for name in ("a", "b")]
    results = run(jobs, domain, Watcher(interrupt), interrupts)
    assert [(result.exit_code, result.status.state) for result in results.values()] == [(130, "Suspended")] * 2


def test_a_place_that_a_killed_command_had_given_is_kept(run, named, one_at_a_time):
    def vanish(watcher):
        if watcher.step("old") > 5:
            raise RuntimeError("as if killed")

    old = named("old", FAKE_STEPS=50)
    with pytest.raises(RuntimeError, match="as if killed"):
        run([old], one_at_a_time, Watcher(vanish))
    view = Watcher()
    run([named("new", 9), old], one_at_a_time, view)
    assert view.admitted() == ["new"]
    assert view.history["new"][0].queue.held_by == "local/old"
    assert view.at_once == 1


def test_places_that_killed_commands_gave_beyond_the_limit_are_given_anew(run, named, domain, one_at_a_time):
    def vanish(watcher):
        if all(watcher.step(job) > 5 for job in ("low", "high")):
            raise RuntimeError("as if killed")

    jobs = [named("low", FAKE_STEPS=50), named("high", 1, FAKE_STEPS=50)]
    with pytest.raises(RuntimeError, match="as if killed"):
        run(jobs, domain, Watcher(vanish))
    view = Watcher()
    results = run(jobs, one_at_a_time, view)
    assert [result.exit_code for result in results.values()] == [0, 0]
    assert view.admitted() == ["high", "low"]
    assert view.at_once == 1
    assert [result.status.restart_count for result in results.values()] == [0, 0]


def test_a_backend_that_crashes_ends_its_own_job_alone(run, named, one_at_a_time, tmp_path, monkeypatch):
    observe = LocalBackend.observe

    def crash(self, job, status, *rest):
        if job.metadata.name == "high" and status.state == "Running":
            raise ZeroDivisionError("nobody thought of it")
        return observe(self, job, status, *rest)

    monkeypatch.setattr(LocalBackend, "observe", crash)
    view = Watcher()
    results = run([named("low"), named("high", 1, FAKE_STEPS=100_000)], one_at_a_time, view)
    assert (results["high"].exit_code, results["low"].exit_code) == (1, 0)
    log = tmp_path / "high" / "crash.log"
    assert results["high"].sentences == (
        f"unexpected ZeroDivisionError: nobody thought of it; the traceback is in {log}",
    )
    assert "nobody thought of it" in log.read_text()
    assert view.admitted() == ["high", "low"]


def test_one_address_has_the_metrics_of_all_jobs_and_tells_them_apart(run, named, domain):
    pages = []

    def scrape(watcher):
        if all(watcher.step(job) for job in ("a", "b")) and not pages:
            with urllib.request.urlopen(view.url) as answer:
                pages.append(answer.read().decode())

    view = Watcher(scrape)
    run([named("a", FAKE_STEPS=50), named("b", FAKE_STEPS=50)], domain, view)
    families = {family.name: family for family in text_string_to_metric_families(pages[0])}
    workers = {(s.labels["trainingjob"], s.labels["worker"]) for s in families["wattrain_worker_loss"].samples}
    assert workers == {("a", "0"), ("b", "0")}
    states = families["wattrain_trainingjob_state"].samples
    assert {s.labels["trainingjob"] for s in states if s.value and s.labels["state"] == "Running"} == {"a", "b"}
    assert pages[0].count("# TYPE wattrain_trainingjob_state ") == 1


def test_each_job_has_its_own_events_status_and_receipt(run, named, one_at_a_time, tmp_path):
    run([named("a"), named("b")], one_at_a_time, Watcher())
    for name in ("a", "b"):
        assert json.loads((tmp_path / name / "status.json").read_text())["state"] == "Complete"
        assert json.loads((tmp_path / name / "receipt.json").read_text())["job"]["name"] == name
        told = [json.loads(line)["reason"] for line in (tmp_path / name / "events.jsonl").read_text().splitlines()]
        assert (told[0], told[-1]) == ("JobAdmitted" if name == "a" else "Queued", "TrainingComplete")
