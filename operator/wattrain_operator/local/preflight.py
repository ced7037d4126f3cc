"""What can be known to be wrong before anything starts, and what a laptop does otherwise than a cluster."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wattrain_api.address_drivers import missing_driver
from wattrain_api.base import quantity_value
from wattrain_api.energy import Policy
from wattrain_api.folder_files import folder_files
from wattrain_api.local_path import about_tilde, local_path
from wattrain_api.names import DEFAULT_POWER_DOMAIN
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.support import unpriced, unsupported, unsupported_domain
from wattrain_api.table_folders import table_folder
from wattrain_api.trackers import missing_libraries
from wattrain_api.trainingjob import ObjectMeta, TrainingJob, TrainingJobSpec
from wattrain_api.variables import VariableSource
from wattrain_api.workers import Workers
from wattrain_operator.local.carbon_reader import CarbonReader
from wattrain_operator.local.launch import worker_path
from wattrain_operator.local.refused import Refused
from wattrain_operator.workers.environment import cluster_variables


def choose_domain(job: TrainingJob, domains: tuple[PowerDomain, ...]) -> PowerDomain:
    """The PowerDomain that `spec.energy.powerDomain` names; without files, `default` has the built-in numbers."""
    wanted = job.spec.energy.power_domain
    found = next((d for d in domains if d.metadata.name == wanted), None)
    if found is None and wanted != DEFAULT_POWER_DOMAIN:
        raise Refused(
            f"spec.energy.powerDomain: {wanted} is in none of the files; add the file that has it to the command, or "
            "leave the field out"
        )
    return found or PowerDomain(metadata=ObjectMeta(name=DEFAULT_POWER_DOMAIN))


def unnamed(jobs: Sequence[TrainingJob], domains: Sequence[PowerDomain]) -> list[str]:
    """What is to be said of domains that were given and to which no job belongs: nothing is priced by them."""
    named = {job.spec.energy.power_domain for job in jobs}
    return [
        f"PowerDomain {name}: not used, for no job names it; write spec.energy.powerDomain: {name}"
        for name in (domain.metadata.name for domain in domains)
        if name not in named
    ]


def check_all(jobs: Sequence[TrainingJob], domains: tuple[PowerDomain, ...]) -> list[PowerDomain]:
    """The PowerDomain of each of `jobs`. Refused, with all problems at once, where this machine cannot run them; of
    several jobs each problem names its own."""
    chosen, problems = [], []
    for job in jobs:
        try:
            chosen.append(choose_domain(job, domains))
            check(job, chosen[-1])
        except Refused as refused:
            whose = "" if len(jobs) == 1 else f"TrainingJob {job.metadata.name}: "
            problems += [line if line.startswith("PowerDomain") else f"{whose}{line}" for line in refused.lines]
    if problems:
        raise Refused(*dict.fromkeys(problems))
    return chosen


def check(job: TrainingJob, domain: PowerDomain) -> None:
    """Refused, with all problems at once, where this machine cannot run the job."""
    spec = job.spec
    problems = [f"spec.{field.removeprefix('spec.')}: {sentence}" for field, sentence in unsupported(spec)]
    problems += [
        f"PowerDomain {domain.metadata.name}, spec.{field.removeprefix('spec.')}: {sentence}"
        for field, sentence in unsupported_domain(domain.spec)
    ]
    problems += [f"{field}: {sentence}" for field, sentence in unpriced(spec, domain.spec)]
    problems += _carbon_series(domain)
    if spec.recipe is not None and (missing := missing_packages()):
        problems.append(missing)
    problems += _missing_optional(spec)
    problems += missing_libraries(spec.tracking.to_json_object(), "installed here")
    problems += _suspended(spec) + _missing_source(spec) + _missing_initial_model(spec)
    problems += _missing_program(spec)
    problems += _missing_variables(spec.workers) + _cluster_only_volumes(spec.workers) + _missing_gpus(spec.workers)
    if problems:
        raise Refused(*problems)


def _carbon_series(domain: PowerDomain) -> list[str]:
    """A file is looked at before anything starts; an address may answer later, and never stops a run."""
    carbon, where = domain.spec.carbon, f"PowerDomain {domain.metadata.name}, spec.carbon"
    if carbon.config_map is not None:
        return [f"{where}.configMap: is a cluster's; here give the series as a file, in carbon.file, or as carbon.url"]
    problem = CarbonReader(carbon).view().problem if carbon.file is not None else ""
    return [f"PowerDomain {domain.metadata.name}, spec.{problem}"] if problem else []


def notes(spec: TrainingJobSpec) -> list[str]:
    """What the job asks for and a laptop leaves out, to be said once."""
    workers, default = spec.workers, Workers()
    cluster_only = {
        "image": bool(spec.image),
        "storage.claim": bool(spec.storage.claim),
        "storage.ephemeral": spec.storage.ephemeral is not None,
        "workers.nodeSelector": bool(workers.node_selector),
        "workers.tolerations": bool(workers.tolerations),
        "workers.topologySpread": bool(workers.topology_spread),
        "workers.affinity": workers.affinity is not None,
        "workers.labels": bool(workers.labels),
        "workers.annotations": bool(workers.annotations),
        "workers.serviceAccountName": bool(workers.service_account_name),
        "workers.priorityClassName": bool(workers.priority_class_name),
        "workers.schedulerName": bool(workers.scheduler_name),
        "workers.imagePullSecrets": bool(workers.image_pull_secrets),
        "workers.runAsUser": workers.run_as_user != default.run_as_user,
        "policy.keepPods": spec.policy.keep_pods != Policy().keep_pods,
        "policy.ttlSecondsAfterFinished": spec.policy.ttl_seconds_after_finished is not None,
    }
    ignored = [f"spec.{field}" for field, given in cluster_only.items() if given]
    if not ignored:
        return []
    return [f"{', '.join(ignored)}: for clusters, not used here; everything stays in the run's directory"]


def _suspended(spec: TrainingJobSpec) -> list[str]:
    if not spec.suspend:
        return []
    return ["spec.suspend: true is not run; write false, or add --set suspend=false"]


def missing_packages() -> str:
    """What the recipes need and is not installed, as a sentence; empty: nothing. Looked up, never imported: torch takes
    seconds to import."""
    missing = [name for name in ("torch", "numpy", "polars", "safetensors") if importlib.util.find_spec(name) is None]
    return f"the recipes need {', '.join(missing)}: pip install 'wattrain[local]'" if missing else ""


_OPTIONAL: Final = {
    "image": ("images", {"torchvision": "torchvision", "PIL": "pillow"}),
    "text": ("text", {"tokenizers": "tokenizers"}),
}
"""By the kind of a recipe's samples: the extra that it needs, and in it packages by the modules that they bring."""


def _missing_optional(spec: TrainingJobSpec) -> list[str]:
    if spec.recipe is None or spec.recipe.params.SAMPLES not in _OPTIONAL:
        return []
    extra, packages = _OPTIONAL[spec.recipe.params.SAMPLES]
    missing = [name for module, name in packages.items() if importlib.util.find_spec(module) is None]
    if not missing:
        return []
    return [f"spec.recipe.name: {spec.recipe.name} needs {' and '.join(missing)}; pip install 'wattrain[{extra}]'"]


def _missing_source(spec: TrainingJobSpec) -> list[str]:
    if spec.data is None:
        return []
    source = spec.data.source
    if source.claim is not None:
        return [
            f"spec.data.source.claim: {source.claim.name} is a claim of a cluster; here give the file's path "
            "as spec.data.source.uri"
        ]
    try:
        path = local_path(source.uri) if source.uri else None
    except ValueError as error:
        return [f"spec.data.source.uri: {error}"]
    if path is None:
        missing = missing_driver(source.uri or "", "this Python")
        return [f"spec.data.source.uri: the address {missing}"] if missing else []
    if not path.exists():
        return [
            f"spec.data.source.uri: there is no file {path} (relative paths start at {Path.cwd()}); "
            f"write the path of {_what_is_read(spec)}{about_tilde(path)}"
        ]
    if path.is_dir() and not _has_many_files(spec):
        try:
            table_folder(name for name, _ in folder_files(path))
        except ValueError as error:
            return [f"spec.data.source.uri: {path} {error}"]
        except OSError as error:
            return [f"spec.data.source.uri: {error.filename} cannot be read; change its permissions"]
    if not os.access(path, os.R_OK):
        return [f"spec.data.source.uri: {path} cannot be read; change its permissions"]
    return []


def _missing_initial_model(spec: TrainingJobSpec) -> list[str]:
    initial = spec.training.initial_model if spec.training is not None else None
    if initial is None:
        return []
    if initial.claim is not None:
        return [
            f"spec.training.initialModel.claim: {initial.claim.name} is a claim of a cluster; here give the directory "
            "as spec.training.initialModel.path"
        ]
    path = Path(initial.path or "")
    if path.is_dir():
        return []
    return [
        f"spec.training.initialModel.path: there is no directory {path} (relative paths start at {Path.cwd()}); write "
        f"that of a run that is complete{about_tilde(path)}"
    ]


def _has_many_files(spec: TrainingJobSpec) -> bool:
    return spec.recipe is not None and spec.recipe.params.SAMPLES not in ("table", "interactions")


def _what_is_read(spec: TrainingJobSpec) -> str:
    if spec.recipe is not None and spec.recipe.params.SAMPLES == "text":
        return "a .txt or .jsonl file, or of a folder or a tar of them"
    if _has_many_files(spec):
        return "a folder or a tar"
    return "a .csv, .jsonl, .npz or .parquet file, or of a folder of .parquet files"


def _missing_program(spec: TrainingJobSpec) -> list[str]:
    if spec.script is None:
        return []
    program, *arguments = spec.script.command
    if shutil.which(program, path=worker_path()) is None:
        return [f"spec.script.command: no program {program} is on PATH; install it, or write its full path"]
    script = next((a for a in arguments if not a.startswith("-")), "")
    if Path(program).name.startswith("python") and script.endswith(".py") and not Path(script).exists():
        return [f"spec.script.command: there is no file {script} in {Path.cwd()}; start the command where it is"]
    return []


def _missing_gpus(workers: Workers) -> list[str]:
    """A GPU that is asked for and is not there would be trained without, which nobody wants to find out later."""
    asked = {**workers.resources.requests, **workers.resources.limits}
    gpus = [name for name in asked if name.endswith("/gpu") and quantity_value(asked[name]) > 0]
    if not gpus or Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists():
        return []
    return [f"spec.workers.resources: {gpus[0]} is {asked[gpus[0]]}, but this machine has no GPU; remove it"]


def _missing_variables(workers: Workers) -> list[str]:
    """What comes from Secrets and ConfigMaps on a cluster comes from the command's own environment here."""
    missing = [
        f"spec.workers.env: {name} comes from a cluster; here set it in the environment of this command"
        for name, source in cluster_variables(workers).items()
        if name not in os.environ and not _is_optional(source)
    ]
    if workers.env_from:
        missing.append(
            "spec.workers.envFrom: Secrets and ConfigMaps are a cluster's; here leave it out, and set their variables "
            "in the environment of this command"
        )
    return missing


def _is_optional(source: VariableSource) -> bool:
    entry = source.secret_key_ref or source.config_map_key_ref
    return entry is not None and entry.optional


def _cluster_only_volumes(workers: Workers) -> list[str]:
    return [
        f"spec.workers.volumes[{index}]: {volume.mount_path} cannot be mounted on this machine; leave it out and "
        "use paths of this machine"
        for index, volume in enumerate(workers.volumes)
    ]
