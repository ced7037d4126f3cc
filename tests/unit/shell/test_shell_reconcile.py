"""One pass over one job, and what it does when the API server says no."""

import asyncio
import itertools
import time
from dataclasses import replace

import pytest

from wattrain_api.contract.progress import Progress
from wattrain_operator.cluster import reconcile as module
from wattrain_operator.cluster.apply import Applier
from wattrain_operator.cluster.fleets import Fleets
from wattrain_operator.cluster.kube.apierrors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from wattrain_operator.cluster.kube.cache import Cache, JobKey
from wattrain_operator.cluster.kube.events import EventRecorder
from wattrain_operator.cluster.kube.resources import TRAINING_JOBS
from wattrain_operator.cluster.progress_poller import ProgressPoller, Speaker
from wattrain_operator.cluster.reconcile import Reconciler
from wattrain_operator.cluster.settings import OperatorSettings
from wattrain_operator.core.roles import Role

KEY = JobKey("team", "one")
SPEC = {"script": {"command": ["python", "t.py"]}, "image": "i:1", "workers": {"replicas": 2}}


class Server:
    """Keeps objects by path, refuses what it is told to, and remembers what was asked."""

    def __init__(self):
        self.versions, self.objects, self.asked, self.refuse = itertools.count(1), {}, [], {}

    def put(self, path, body):
        metadata = {"uid": f"uid-of-{path}", **body["metadata"], "resourceVersion": str(next(self.versions))}
        self.objects[path] = {**body, "metadata": metadata}
        return self.objects[path]

    def _ask(self, verb, path):
        self.asked.append(verb)
        if verb in self.refuse:
            raise self.refuse.pop(verb)

    async def get(self, resource, namespace, name):
        self._ask(f"get {resource.plural}", "")
        return self.objects[resource.path(namespace, name)]

    async def list_all(self, resource, namespace="", selector="", keep=None):
        self._ask(f"list {resource.plural}", "")
        start = resource.path(namespace)
        return [body for path, body in self.objects.items() if path.startswith(f"{start}/")], next(self.versions)

    async def create(self, resource, namespace, body):
        self._ask(f"create {resource.plural}", "")
        return self.put(resource.path(namespace, body["metadata"]["name"]), body)

    async def update(self, resource, body, subresource=""):
        self._ask(f"update {resource.plural}/{subresource}", "")
        metadata = body["metadata"]
        path = resource.path(metadata["namespace"], metadata["name"])
        if self.objects[path]["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise ConflictError(409, "Conflict", "")
        return self.put(path, {**self.objects[path], "status": body["status"]})

    async def delete(self, resource, namespace, name, uid, **_):
        self._ask(f"delete {resource.plural}", "")
        return self.objects.pop(resource.path(namespace, name), {})


class Operator:
    """A reconciler on top of a Server, with a cache that knows only what it is told."""

    def __init__(self):
        self.server, self.cache = Server(), Cache()
        settings = OperatorSettings("worker:1", "worker:1")
        applier = Applier(self.server, self.cache, settings, network_policy=True)
        self.progress = ProgressPoller(None, 10.0, time.monotonic, lambda key: None)
        self.events = EventRecorder(self.server, "test")
        self.fleets = Fleets(self.server, self.cache, (), lambda key: None, time.monotonic)
        self.reconciler = Reconciler(
            self.server, self.cache, applier, self.progress, self.events, self.fleets, 0.0, time.monotonic
        )

    def apply(self, spec=SPEC, status=None):
        body = {"metadata": {"name": "one", "namespace": "team"}, "spec": spec, "status": status or {}}
        job = self.server.put(TRAINING_JOBS.path("team", "one"), body)
        self.cache.apply("TrainingJob", job)
        return job

    def look(self):
        """One pass; returns what was asked of the server."""
        self.server.asked.clear()
        try:
            asyncio.run(self.reconciler.reconcile(KEY))
        finally:
            asyncio.run(self.events.publish_all())
        return list(self.server.asked)

    @property
    def status(self):
        return self.server.objects[TRAINING_JOBS.path("team", "one")]["status"]


@pytest.fixture
def operator():
    return Operator()


def test_the_status_is_written_first_then_the_children_then_the_events(operator):
    operator.apply()
    assert operator.look() == [
        "update trainingjobs/status", "create services", "create networkpolicies", "create pods", "create pods",
        "create events", "create events",
    ]  # fmt: skip
    assert operator.look() == []  # that the group is complete is no news to anybody


def test_a_large_group_of_which_the_first_pods_are_refused_asks_for_no_more_than_four(operator):
    operator.server.refuse["create pods"] = ForbiddenError(403, "Forbidden", "exceeded quota: few")
    operator.apply(SPEC | {"workers": {"replicas": 100}})
    assert operator.look().count("create pods") == 4
    asked = operator.look()
    assert asked.count("delete pods") == 3  # those that were granted are taken back
    assert asked[0] == "update trainingjobs/status"  # and the reason is written before
    assert operator.status["reason"] == "QuotaExceeded"


def test_a_conflict_drops_the_whole_plan_and_the_next_look_is_at_the_source(operator):
    job = operator.apply()
    operator.server.put(TRAINING_JOBS.path("team", "one"), job)  # somebody else wrote it
    assert operator.look() == ["update trainingjobs/status"]
    assert operator.look()[:3] == ["get trainingjobs", "list pods", "update trainingjobs/status"]
    assert operator.status["attempt"] == 1


def test_a_job_that_is_gone_gets_no_children(operator):
    operator.apply()
    operator.server.refuse["update trainingjobs/status"] = NotFoundError(404, "NotFound", "")
    with pytest.raises(NotFoundError):
        operator.look()
    assert operator.server.asked == ["update trainingjobs/status"]


def test_a_job_that_cannot_be_read_says_why_once_and_is_left_alone(operator):
    operator.apply({"script": {"command": ["x"]}, "workers": {"replicas": "many"}})
    assert operator.look() == ["update trainingjobs/status", "create events"]
    condition, *others = operator.status["conditions"]
    assert [c["type"] for c in others] == ["Running", "Suspended", "Complete", "Failed"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Admitted", "False", "InvalidSpec")
    assert "spec.workers.replicas='many'" in condition["message"]
    assert operator.look() == []


def test_a_broken_regular_expression_is_told_as_such(operator):
    operator.apply({"script": {"command": ["x"], "metricPatterns": {"loss": "loss=(["}}})
    operator.look()
    told = operator.status["conditions"][0]["message"]
    assert told.startswith("spec.script.metricPatterns.loss='loss=([': ")
    assert "is no regular expression (unterminated character set" in told


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"name": "unet"}, "spec.recipe.name='unet': must be one of "),
        ({"name": "mlp", "params": {"hidden": [0]}}, "spec.recipe.params.hidden[0]='0': "),
    ],
)
def test_a_recipe_that_cannot_be_read_is_named_as_the_user_wrote_it(operator, recipe, expected):
    operator.apply({"recipe": recipe})
    operator.look()
    assert operator.status["conditions"][0]["message"].startswith(expected)


def test_fields_of_a_newer_version_are_no_reason_to_refuse_a_job(operator):
    operator.apply(SPEC | {"invention": {"of": 2030}})
    assert "create pods" in operator.look()


def test_an_event_that_is_refused_does_not_hold_up_the_job(operator):
    operator.apply()
    operator.server.refuse["create events"] = InvalidError(422, "Invalid", "no")
    operator.look()
    assert operator.status["attempt"] == 1


def test_the_events_of_what_was_written_are_told_even_where_acting_fails(operator):
    operator.apply()
    operator.server.refuse["create services"] = InvalidError(500, "InternalError", "down")
    operator.look()
    assert "create events" in operator.server.asked


def test_a_report_that_makes_no_sense_is_left_out(operator, monkeypatch):
    operator.apply()
    operator.look()
    operator.look()
    (first, *_) = operator.cache.pods("team", operator.apply(status=operator.status)["metadata"]["uid"])
    speaker = Speaker(first["metadata"]["uid"], "team", "one-1-0", "", Role.WORKER, 1)
    operator.progress.listen(KEY, speaker)
    honest = module.plan

    def plan(seen):
        decided = honest(seen)
        if seen.report is None:
            return decided
        energy = replace(decided.status.energy, watts=float("nan"))
        return replace(decided, status=replace(decided.status, energy=energy))

    monkeypatch.setattr(module, "plan", plan)
    operator.progress._take(operator.progress._listened[KEY], Progress(step=1))
    operator.look()
    assert "energy" not in operator.status


@pytest.mark.parametrize(("jobs", "expected"), [(1, 15.0), (300, 15.0), (1200, 60.0)])
def test_the_more_jobs_train_the_longer_each_keeps_its_figures(operator, monkeypatch, jobs, expected):
    operator.apply()
    operator.look()
    operator.reconciler._status_interval_seconds = 15.0
    for number in range(jobs - 1):
        key = JobKey("other", str(number))
        operator.progress.listen(key, Speaker("u", "other", f"{number}-1-0", "", Role.WORKER, 1))
    seen, honest = [], module.plan
    monkeypatch.setattr(module, "plan", lambda view: seen.append(view) or honest(view))
    operator.look()
    assert seen[-1].status_interval_seconds == expected


def test_a_job_that_is_being_deleted_is_not_touched(operator):
    job = operator.apply()
    job["metadata"]["deletionTimestamp"] = "2026-11-24T00:00:00Z"
    operator.cache.apply("TrainingJob", operator.server.put(TRAINING_JOBS.path("team", "one"), job))
    assert operator.look() == []
