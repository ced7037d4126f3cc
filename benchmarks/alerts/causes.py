"""What makes each alert fire, and what makes it end: the remedy of its page in the runbook, where that can be done."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from alerts.playground import Playground

Spec = dict[str, Any]
Deed = Callable[[Playground], object]
_HEAD = "import itertools, os, pathlib, time\nbegan = time.time()\n"
_LOOP = """
for step in itertools.count(1):
    print(f"step={step} loss={loss(step)}", flush=True)
    time.sleep(0.2)
"""
_FALLS = "loss = lambda step: 0.1 + 2 / step\n"
_HANGS = (
    _FALLS
    + """
if os.environ["WATTRAIN_ATTEMPT"] == "1":
    print("step=1 loss=2\\nstep=2 loss=1", flush=True)
    time.sleep(86400)
"""
)
_CRASHES = (
    _FALLS
    + """
runs = pathlib.Path(os.environ["WATTRAIN_CHECKPOINT_DIR"]) / "runs"
runs.parent.mkdir(parents=True, exist_ok=True)
before = len(runs.read_text()) if runs.exists() else 0
runs.write_text("x" * (before + 1))
if before < 4:  # each time at another step: what fails the same way again is not restarted
    for step in range(1, before + 2):
        print(f"step={step} loss=2", flush=True)
    raise SystemExit(3)
"""
)


EVERY_JOB = "*"

_SLOW_START = ("WattrainJobDoesNotStart",)
"""Where the remedy starts a job: that is not faster than elsewhere."""


class Cause(NamedTuple):
    """Of one alert. `subject` is the job's name, or that of all that run; empty: the operator."""

    alert: str
    subject: str
    what: str
    begin: Deed
    remedy: str
    end: Deed
    also: tuple[str, ...] = ()
    """Further alerts that are right meanwhile."""
    when_running: Deed | None = None
    """What is done to the job once it runs, and is the cause."""
    meanwhile: Deed | None = None
    """What is done again and again until it has fired."""


def settings_of(factor: float) -> dict[str, str]:
    """Of an operator whose own times are divided, too."""
    return {"RESYNC_SECONDS": f"{90 / factor:g}", "PROGRESS_INTERVAL_SECONDS": "1", "STATUS_INTERVAL_SECONDS": "1"}


def script(text: str, **more: Any) -> Spec:
    """The spec of a job with one worker that runs a Python program."""
    patterns = {"step": "step={number}", "loss": "loss={number}"}
    command = ["python", "-c", _HEAD + text + _LOOP]
    return {"script": {"command": command, "metricPatterns": patterns}, "workers": {"replicas": 1}, **more}


def recipe(replicas: int = 1, **more: Any) -> Spec:
    """The spec of a job that trains a recipe for days, and leaves some of the node to others."""
    return {
        "recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}},
        "training": {"epochs": 100_000, "recordEverySteps": 20},
        "workers": {"replicas": replicas, "resources": {"limits": {"cpu": "300m", "memory": "1Gi"}}}, **more,
    }  # fmt: skip


def of_jobs(factor: float) -> list[Cause]:
    """All at the same time, each with a job of its own."""
    rises = f"loss = lambda step: 0.1 * 2 ** ((time.time() - began) / {1800 / factor})\n"
    return [
        Cause("WattrainLossNotFinite", "nan", "a script whose loss is nan from step 20 on",
              lambda on: on.job("nan", script("loss = lambda step: 'nan' if step > 20 else 1 / step\n")),
              "suspend it", lambda on: on.patch_job("nan", {"suspend": True})),
        Cause("WattrainLossDiverging", "diverging", "a script whose loss doubles every half hour",
              lambda on: on.job("diverging", script(rises)),
              "suspend it", lambda on: on.patch_job("diverging", {"suspend": True})),
        Cause("WattrainJobMakesNoSteps", "hangs", "a script that sleeps, progressDeadlineSeconds: 86400",
              lambda on: on.job("hangs", script(_HANGS, policy={"progressDeadlineSeconds": 86400})),
              "delete its pod", lambda on: _delete_pod(on, "hangs-1-0"), also=_SLOW_START),
        Cause("WattrainJobRestartsOften", "crashes", "a script that ends with 3 four times, then trains",
              lambda on: on.job("crashes", script(_CRASHES, policy={"maxRestarts": 20})),
              "none: it has stopped to crash", lambda on: None),
        Cause("WattrainJobWaitsWithoutReason", "refused", "an admission policy refuses the job's status",
              _refuse_status,
              "remove the policy", lambda on: on.kubectl("delete", "validatingadmissionpolicy", on.namespace),
              also=("WattrainOperatorFailingJobs", *_SLOW_START)),
        Cause("WattrainOperatorFailingJobs", "", "the same",
              lambda on: None, "the same", lambda on: None),
        Cause("WattrainJobWaitsForPowerDomain", "homeless", "a power domain that nobody has created",
              lambda on: on.job("homeless", script(_FALLS, energy={"powerDomain": on.namespace})),
              "create it", _create_domain, also=_SLOW_START),
        Cause("WattrainJobDoesNotStart", "tight", "a quota smaller than the group",
              _job_under_quota,
              "raise the quota", lambda on: on.kubectl("-n", on.tight, "delete", "quota", "team")),
        Cause("WattrainJobFailed", "fails", "a script that ends with 3, maxRestarts: 0",
              lambda on: on.job("fails", script("raise SystemExit(3)\n", policy={"maxRestarts": 0})),
              "none: it ends by itself", lambda on: None),
        Cause("WattrainCheckpointTooOld", "unsaved", "a recipe that saves every 100,000,000 steps",
              lambda on: on.job("unsaved", recipe(checkpoint={"every": {"steps": 100_000_000}})),
              "have it save", lambda on: _save(on, "unsaved-1-0")),
        Cause("WattrainJobDoesNotStart", "stopped", "SIGSTOP to the supervisor of its worker",
              lambda on: on.job("stopped", script(_FALLS)), "delete its pod", lambda on: _delete_pod(on, "stopped-1-0"),
              when_running=lambda on: on.signal(on.namespace, "stopped-1-0", "wattrain-worker", signal.SIGSTOP)),
        Cause("WattrainMeasurementIncomplete", "amd", "/dev/kfd in its pod, as with an AMD GPU",
              _job_with_kfd, "delete it", lambda on: on.kubectl("-n", on.namespace, "delete", "tj", "amd")),
    ]  # fmt: skip


def of_the_operator(factor: float) -> list[Cause]:
    """One after the other, for each blinds the others."""
    settings = settings_of(factor)
    return [
        Cause("WattrainMeasurementStale", EVERY_JOB, "progress through the API server without the right to pods/proxy",
              lambda on: on.set_operator_environment(REACH="proxy"),
              "ask pods themselves", lambda on: on.set_operator_environment(REACH="direct"),
              also=("WattrainJobMakesNoSteps",)),
        Cause("WattrainOperatorCacheStale", "", "no right to list pods",
              lambda on: _take(on, "clusterrole", on.operator, "pods", "list"), "give it back", _give_back),
        Cause("WattrainOperatorWatchDeaf", "", "an API server that sends it bookmarks of jobs and no events",
              lambda on: _taken.append(on.put_deaf_operator_in_place(**settings)),
              "a watch that tells", _give_back, meanwhile=_touch_job),
        Cause("WattrainOperatorWithoutLeader", "", "no right to update its Lease",
              lambda on: _take(on, "role", f"{on.operator}-leader", "leases", "update"), "give it back", _give_back),
        Cause("WattrainOperatorAbsent", "", "SIGSTOP to the operator",
              lambda on: on.signal(on.system, on.operator_pod(), "wattrain_operator", signal.SIGSTOP),
              "SIGCONT", lambda on: on.signal(on.system, on.operator_pod(), "wattrain_operator", signal.SIGCONT)),
        Cause("WattrainOperatorAbsent", "", "no operator (replicas: 0)",
              lambda on: on.scale(0), "one operator", lambda on: on.scale(1)),
    ]  # fmt: skip


def begin_quiet(on: Playground) -> tuple[str, ...]:
    """Jobs of which nothing is to be heard: two that train, one that is suspended, and one that waits for
    its place. Names of those that train."""
    on.job("trains", recipe(2))
    on.job("asleep", {**recipe(), "suspend": True})
    domain = f"{on.namespace}-one"
    on.apply({"apiVersion": "wattrain.dev/v1alpha1", "kind": "PowerDomain", "metadata": {"name": domain},
              "spec": {"maxRunningJobs": 1}})  # fmt: skip
    on.afterwards(lambda: on.kubectl("delete", "powerdomain", domain))
    on.job("first", script(_FALLS, energy={"powerDomain": domain}))
    on.job("queued", script(_FALLS, energy={"powerDomain": domain}))
    return "trains", "first"


_taken: list[Callable[[], None]] = []


def _take(on: Playground, *right: str) -> None:
    _taken.append(on.without_right(*right))


def _give_back(on: Playground) -> None:
    _taken.pop()()


def _touch_job(on: Playground) -> None:
    # One of which the operator writes no figures: the answers would tell it of the change.
    on.kubectl("-n", on.namespace, "annotate", "tj", "asleep", f"touched={time.monotonic()}", "--overwrite")


def _delete_pod(on: Playground, pod: str) -> None:
    on.kubectl("-n", on.namespace, "delete", "pod", pod, "--wait=false")


def _save(on: Playground, pod: str) -> None:
    directive = 'wattrain.dev/directive={"version": 1, "checkpoint": true}'
    on.kubectl("-n", on.namespace, "annotate", "pod", pod, directive)


def _create_domain(on: Playground) -> None:
    on.apply({"apiVersion": "wattrain.dev/v1alpha1", "kind": "PowerDomain", "metadata": {"name": on.namespace},
              "spec": {}})  # fmt: skip
    on.afterwards(lambda: on.kubectl("delete", "powerdomain", on.namespace))


def _job_under_quota(on: Playground) -> None:
    on.kubectl("-n", on.tight, "create", "quota", "team", "--hard=requests.cpu=50m")
    on.job("tight", script(_FALLS), namespace=on.tight)


def _job_with_kfd(on: Playground) -> None:
    on.kubectl("-n", on.namespace, "create", "configmap", "kfd", "--from-literal=a=b")
    workers = {"replicas": 1, "volumes": [{"mountPath": "/dev/kfd", "configMap": "kfd"}]}
    on.job("amd", script(_FALLS, workers=workers))


def _refuse_status(on: Playground) -> None:
    on.job("probe", {**script(_FALLS), "suspend": True})
    kind, name = {"apiVersion": "admissionregistration.k8s.io/v1"}, {"name": on.namespace}
    matched = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": on.namespace}},
        "resourceRules": [{"apiGroups": ["wattrain.dev"], "apiVersions": ["*"], "operations": ["UPDATE"],
                           "resources": ["trainingjobs/status"]}],
    }  # fmt: skip
    on.apply({**kind, "kind": "ValidatingAdmissionPolicy", "metadata": name, "spec": {
        "matchConstraints": matched,
        "matchConditions": [{"name": "this", "expression": "object.metadata.name in ['refused', 'probe']"}],
        "validations": [{"expression": "false", "message": "refused on purpose"}],
    }})  # fmt: skip
    on.apply({**kind, "kind": "ValidatingAdmissionPolicyBinding", "metadata": name, "spec": {
        "policyName": on.namespace, "validationActions": ["Deny"],
    }})  # fmt: skip
    for what in ("validatingadmissionpolicy", "validatingadmissionpolicybinding"):
        on.afterwards(lambda what=what: on.kubectl("delete", what, on.namespace, "--ignore-not-found"))
    on.wait_until_refused("probe")
    on.job("refused", script(_FALLS))
