"""Volumes of a pod: the job's storage, the user's own, and the few places that a read-only root lacks."""

from __future__ import annotations

import posixpath
from typing import Final

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJob
from wattrain_api.volumes import Projection, Volume
from wattrain_api.workers import EphemeralStorage
from wattrain_operator.cluster.objects.identity import Json, UnbuildableError

POD_DIRECTORY: Final = "/etc/wattrain"
"""Shows annotations of the pod as files; the kubelet writes them anew when they change."""
SPEC_FILE: Final = f"{POD_DIRECTORY}/spec.json"
DIRECTIVE_FILE: Final = f"{POD_DIRECTORY}/directive.json"
CLAIMS_DIRECTORY: Final = "/data"
"""Claims that data or an initial model comes from, each in a directory of its name; the worker looks for them there."""
SUPERVISOR_DIRECTORY: Final = "/wattrain-supervisor"
SCRATCH_DIRECTORY: Final = "/tmp"
_SHARED_MEMORY: Final = "/dev/shm"
_STORAGE_ROOT: Final = "/wattrain"
_OURS: Final = (_STORAGE_ROOT, SUPERVISOR_DIRECTORY, POD_DIRECTORY, "/dev/termination-log")


def storage_directory(job: TrainingJob) -> str:
    """Where a pod of `job` finds its storage: data, checkpoints and model are directories of it."""
    return f"{_STORAGE_ROOT}/{job.metadata.name}"


def records_directory(job: TrainingJob) -> str:
    """Where a pod of `job` keeps what it has recorded."""
    return f"{storage_directory(job)}/{names.DIRECTORY_RECORDS}"


def address_of(job: TrainingJob, path: str) -> str:
    """`path` of a pod of `job` as somebody outside finds it: `claim://training/digits-mlp/model`. As it is where it is
    on no claim."""
    claim = job.spec.storage.claim
    return (
        path
        if claim is None or not path.startswith(f"{_STORAGE_ROOT}/")
        else f"claim://{claim}{path[len(_STORAGE_ROOT) :]}"
    )


def shares_storage(job: TrainingJob) -> bool:
    """Whether all pods of `job` see one storage. Else each has a directory of its own, which goes with it."""
    return job.spec.storage.claim is not None


class Mounts:
    """`volumes` of a pod and `mounts` of its container, in the form of the API server."""

    def __init__(self, job: TrainingJob, *, brings_supervisor: bool) -> None:
        """All that a pod of `job` mounts. UnbuildableError where a volume of the user's lies where something else does.
        `brings_supervisor`: an init container puts it into SUPERVISOR_DIRECTORY."""
        self._made: list[Json] = []
        self._claims: dict[str, str] = {}
        self.mounts: list[Json] = []
        shown = [_shown(SPEC_FILE, names.ANNOTATION_SPEC), _shown(DIRECTIVE_FILE, names.ANNOTATION_DIRECTIVE)]
        self._add("pod", {"downwardAPI": {"items": shown}}, POD_DIRECTORY, read_only=True)
        if brings_supervisor:
            self._add("supervisor", {"emptyDir": {}}, SUPERVISOR_DIRECTORY, read_only=True)
        self._add_storage(job)
        for index, volume in enumerate(job.spec.workers.volumes):
            self._add_users(index, volume)
        if not self._has(SCRATCH_DIRECTORY):
            self._add("scratch", {"emptyDir": {}}, SCRATCH_DIRECTORY)
        if not self._has(_SHARED_MEMORY):
            # The runtime's own has 64 MiB, which loaders of data with several processes exceed at once.
            self._add("shared-memory", {"emptyDir": {"medium": "Memory"}}, _SHARED_MEMORY)

    @property
    def volumes(self) -> list[Json]:
        """One volume a claim, however often it is mounted: a kubelet waits for ever for a claim's second volume. A
        claim that nobody writes to is attached read-only, without which some cannot be attached to several nodes."""
        claims = []
        for claim, name in self._claims.items():
            read_only = all(m.get("readOnly", False) for m in self.mounts if m["name"] == name)
            claims.append({"name": name, "persistentVolumeClaim": {"claimName": claim, "readOnly": read_only}})
        return [*self._made, *claims]

    def _add_storage(self, job: TrainingJob) -> None:
        storage, directory = job.spec.storage, storage_directory(job)
        if storage.claim is not None:
            # Jobs that share a claim get a directory each, of the same name as in the pod.
            self._mount(self._claim(storage.claim), directory, subPath=job.metadata.name)
        else:
            size = (storage.ephemeral or EphemeralStorage()).size
            self._add("storage", {"emptyDir": {"sizeLimit": size}}, directory)
        data, training = job.spec.data, job.spec.training
        sources = [data.source.claim if data else None]
        sources += [training.initial_model.claim if training and training.initial_model else None]
        for name in dict.fromkeys(source.name for source in sources if source is not None):
            self._mount(self._claim(name), f"{CLAIMS_DIRECTORY}/{name}", readOnly=True)

    def _add_users(self, index: int, volume: Volume) -> None:
        path = _normal(volume.mount_path)
        theirs = next((own for own in _OURS if _overlap(own, path)), path if self._has(path) or path == "/" else None)
        if theirs is not None:
            raise UnbuildableError(
                f"spec.workers.volumes[{index}].mountPath: {volume.mount_path!r} lies where {theirs} is mounted; "
                "choose another path"
            )
        name = f"volume-{index}"
        if volume.claim is not None:
            options = {"readOnly": True} if volume.read_only else {}
            self._mount(self._claim(volume.claim), path, **options)
        elif volume.empty_dir is None:
            self._add(name, _shown_to_users(volume), path, read_only=True)
        else:
            self._add(name, {"emptyDir": {"sizeLimit": volume.empty_dir}}, path, read_only=volume.read_only)

    def _add(self, name: str, source: Json, path: str, *, read_only: bool = False) -> None:
        self._made.append({"name": name, **source})
        options = {"readOnly": True} if read_only else {}
        self._mount(name, path, **options)

    def _mount(self, name: str, path: str, **options: object) -> None:
        self.mounts.append({"name": name, "mountPath": path, **options})

    def _claim(self, claim: str) -> str:
        return self._claims.setdefault(claim, f"claim-{len(self._claims)}")

    def _has(self, path: str) -> bool:
        return any(mount["mountPath"] == path for mount in self.mounts)


def _shown_to_users(volume: Volume) -> Json:
    """The source of a volume that nobody can write to."""
    if volume.config_map is not None:
        return {"configMap": {"name": volume.config_map}}
    if volume.secret is not None:
        return {"secret": {"secretName": volume.secret}}
    return {"projected": {"sources": [_projected(part) for part in volume.projected or ()]}}


def _projected(part: Projection) -> Json:
    if part.service_account_token is not None:
        return {"serviceAccountToken": part.service_account_token.to_json_object()}
    return {"secret": {"name": part.secret}} if part.secret is not None else {"configMap": {"name": part.config_map}}


def _shown(file: str, annotation: str) -> Json:
    """`annotation` of the pod as `file`, which is empty where there is none."""
    field = {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{annotation}']"}
    return {"path": posixpath.basename(file), "fieldRef": field}


def _normal(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")
