"""What the operator believes the cluster to be like: fed by watches, by its own writes, and repaired by LISTs.

A watch of kopf's that was interrupted never reports what was deleted meanwhile, and any may turn deaf: so every LIST
is compared with the cache. An object never goes back to an older version, whichever of the three is late.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from wattrain_api import names
from wattrain_operator.cluster.kube.resources import KINDS, Json, Kind
from wattrain_operator.cluster.kube.trim import trim

GONE_PODS_KEPT = 256
"""So many pods that are gone are remembered: a loss is told in the pass that follows it."""


class JobKey(NamedTuple):
    """What names a job."""

    namespace: str
    name: str


_ObjectKey = tuple[str, str]
"""Namespace (empty for a PowerDomain) and name."""
_OwnerKey = tuple[str, str]
"""Namespace and uid: whoever may create pods in one namespace can name an owner in another."""


@dataclass
class _Store:
    """The objects of one kind."""

    objects: dict[_ObjectKey, Json] = field(default_factory=dict)
    buried: dict[_ObjectKey, int] = field(default_factory=dict)
    """Version at which an object was deleted; kept until a LIST that is newer has been seen."""
    listed: dict[str, int] = field(default_factory=dict)
    """Version of the newest LIST, by the namespace that it was of (empty: all)."""
    unconfirmed: dict[_ObjectKey, int] = field(default_factory=dict)
    """What the last LIST repaired, and in which version, until the watch reports the same."""


class Cache:
    """All objects that the operator looks at. Bodies are the API server's, and are never changed in place."""

    def __init__(self) -> None:
        self._stores: dict[Kind, _Store] = {kind: _Store() for kind in KINDS}
        self._pods_by_owner: dict[_OwnerKey, dict[str, Json]] = {}
        self._gone_pods: dict[_ObjectKey, Json] = {}

    # --- Reading -----------------------------------------------------------------------------------------------
    def job(self, key: JobKey) -> Json | None:
        """The TrainingJob of that name."""
        return self._stores["TrainingJob"].objects.get(key)

    def jobs(self) -> Iterable[Json]:
        """All TrainingJobs."""
        return self._stores["TrainingJob"].objects.values()

    def jobs_of(self, domain: str) -> list[Json]:
        """The TrainingJobs of the PowerDomain of that name."""
        return [body for body in self.jobs() if domain_of(body) == domain]

    def job_of(self, pod: Json) -> Json | None:
        """The TrainingJob that `pod` says to belong to."""
        metadata = pod["metadata"]
        job = (metadata.get("labels") or {}).get(names.LABEL_JOB)
        return None if not job else self.job(JobKey(metadata.get("namespace") or "", job))

    def pods(self, namespace: str, job_uid: str) -> list[Json]:
        """The pods that the job with that uid owns in its namespace: a namesake's are not among them."""
        return list(self._pods_by_owner.get((namespace, job_uid), {}).values())

    def gone_pods(self, namespace: str, job_uid: str) -> list[Json]:
        """Pods that this job owned and that are not there any more, as they were seen last: the newest of them."""
        gone = (self._gone_pods[key] for key in self._gone_pods if key[0] == namespace)
        return [pod for pod in gone if owner_uid(pod) == job_uid]

    def domain(self, name: str) -> Json | None:
        """The PowerDomain of that name."""
        return self._stores["PowerDomain"].objects.get(("", name))

    def domain_names(self) -> list[str]:
        """The names of all PowerDomains."""
        return [name for _, name in self._stores["PowerDomain"].objects]

    def count(self, kind: Kind) -> int:
        """How many objects of that kind are known."""
        return len(self._stores[kind].objects)

    def unconfirmed(self, kind: Kind) -> int:
        """How many changes a LIST found that the watch has not reported: more than none for long means that it is
        deaf."""
        return len(self._stores[kind].unconfirmed)

    # --- Taking in ---------------------------------------------------------------------------------------------
    def apply(self, kind: Kind, body: Json, *, deleted: bool = False, from_watch: bool = False) -> set[JobKey]:
        """Take in one object, as a watch or a write's answer has it. Returns the jobs that it changes something
        for: none where it is no news."""
        store, key, version = self._stores[kind], _key(body), version_of(body)
        if from_watch and store.unconfirmed.get(key, version + 1) <= version:
            del store.unconfirmed[key]
        if version <= store.buried.get(key, -1):
            return set()
        old = store.objects.get(key)
        if old is not None and version <= version_of(old) and not (deleted and version == version_of(old)):
            return set()
        if deleted:
            store.buried[key] = version
            if old is None:
                return set()
            self._remove(kind, key)
            self._remember(kind, trim(kind, body))
            return self._jobs_of(kind, old)
        new = trim(kind, body)
        self._put(kind, key, new)
        if old is not None and kind == "Pod" and _says_the_same(old, new):
            return set()
        return self._jobs_of(kind, body) | (self._jobs_of(kind, old) if old is not None else set())

    def replace(
        self, kind: Kind, listed: Iterable[Json], version: int, namespace: str = "", *, from_watch: bool = False
    ) -> set[JobKey]:
        """Take in a LIST of all objects of a kind (or of those in `namespace`, if given) as of `version`. Returns the
        jobs that the cache was wrong about. `from_watch`: a watch begins with it, and will not report the same
        again."""
        store = self._stores[kind]
        if version < store.listed.get(namespace, 0):
            return set()  # two were asked for at the same time: what has gone since must not come back
        store.listed[namespace] = version
        changed: set[JobKey] = set()
        repaired: dict[_ObjectKey, int] = {}
        found = {_key(body): body for body in listed}
        for key, body in found.items():
            news = self.apply(kind, body)
            if news:
                repaired[key] = version_of(body)
            changed |= news
        for key, old in list(store.objects.items()):
            if key not in found and namespace in ("", key[0]) and version_of(old) <= version:
                self._remove(kind, key)
                self._remember(kind, old)
                repaired[key] = version_of(old)
                changed |= self._jobs_of(kind, old)
        others = {key: at for key, at in store.unconfirmed.items() if namespace not in ("", key[0])}
        store.unconfirmed = others if from_watch else others | repaired
        store.buried = {key: at for key, at in store.buried.items() if at > version or namespace not in ("", key[0])}
        return changed

    def replace_pods(self, namespace: str, uid: str, listed: Iterable[Json], version: int) -> None:
        """Take in a LIST of the pods of the job with that uid in `namespace` as of `version`."""
        found = {_key(body): body for body in listed}
        for body in found.values():
            self.apply("Pod", body)
        for old in self.pods(namespace, uid):
            if _key(old) not in found and version_of(old) <= version:
                self._remove("Pod", _key(old))
                self._remember("Pod", old)

    # --- Inside ------------------------------------------------------------------------------------------------
    def _put(self, kind: Kind, key: _ObjectKey, body: Json) -> None:
        if kind == "Pod":
            self._remove(kind, key)
            self._pods_by_owner.setdefault((key[0], owner_uid(body)), {})[key[1]] = body
        self._stores[kind].objects[key] = body

    def _remove(self, kind: Kind, key: _ObjectKey) -> None:
        old = self._stores[kind].objects.pop(key, None)
        if old is None or kind != "Pod":
            return
        owner = key[0], owner_uid(old)
        owned = self._pods_by_owner.get(owner, {})
        owned.pop(key[1], None)
        if not owned:
            self._pods_by_owner.pop(owner, None)

    def _remember(self, kind: Kind, body: Json) -> None:
        """Keep the last state of a pod, which may say who took it away."""
        if kind == "Pod":
            self._gone_pods.pop(_key(body), None)
            self._gone_pods[_key(body)] = body
            if len(self._gone_pods) > GONE_PODS_KEPT:
                del self._gone_pods[next(iter(self._gone_pods))]

    def _jobs_of(self, kind: Kind, body: Json) -> set[JobKey]:
        namespace, name = _key(body)
        if kind == "TrainingJob":
            return {JobKey(namespace, name)}
        if kind == "Pod":
            job = (body["metadata"].get("labels") or {}).get(names.LABEL_JOB)
            return {JobKey(namespace, job)} if job else set()
        return {JobKey(*key) for key, job in self._stores["TrainingJob"].objects.items() if domain_of(job) == name}


def uid_of(body: Json) -> str:
    """The uid of an object."""
    return str(body["metadata"].get("uid", ""))


def owner_uid(pod: Json) -> str:
    """The uid of the TrainingJob that owns `pod`; empty: none does."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(o.get("uid", "")) for o in owners if o.get("kind") == "TrainingJob" and o.get("controller")), "")


def domain_of(job: Json) -> str:
    """The name of the PowerDomain of `job`."""
    energy = (job.get("spec") or {}).get("energy") or {}
    return str(energy.get("powerDomain") or names.DEFAULT_POWER_DOMAIN)


def _says_the_same(old: Json, new: Json) -> bool:
    """Whether a pod's job need not be looked at again: most often the pod has just been given its node."""
    return old["status"] == new["status"] and {**old["metadata"], "resourceVersion": ""} == {
        **new["metadata"], "resourceVersion": ""
    }  # fmt: skip


def _key(body: Json) -> _ObjectKey:
    metadata = body["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def version_of(body: Json) -> int:
    """The version of an object: a higher one is newer."""
    # Comparable since Kubernetes 1.35 (KEP-5504), and before that because etcd counts revisions.
    return int(body["metadata"].get("resourceVersion") or 0)
