"""The way of a person to the API server: by a kubeconfig as kubectl takes it, else that of the pod."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from kubernetes.aio import config as untyped_config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from wattrain_operator.cluster.kube.login import NoClusterError
from wattrain_operator.cluster.settings import SERVICE_ACCOUNT_NAMESPACE

config: Any = untyped_config
VARIABLE: Final = "KUBECONFIG"
DEFAULT_PLACE: Final = "~/.kube/config"
_DEFAULT_NAMESPACE: Final = "default"


class Way(NamedTuple):
    """The way to an API server."""

    configuration: Configuration
    namespace: str
    """Of the chosen context, else `default`; inside a pod the pod's own."""


async def load_way(kubeconfig: str = "", context: str = "") -> Way:
    """By `kubeconfig`, else by the files of $KUBECONFIG, else by ~/.kube/config, and in `context`, else in the current
    one. Where there is no such file: as the pod. NoClusterError says what is missing."""
    files = _files(kubeconfig)
    if not files and kubeconfig:
        raise NoClusterError(f"--kubeconfig {kubeconfig}: there is no such file; give the path of a kubeconfig")
    if not files:
        return _way_of_the_pod(os.environ.get(VARIABLE) or DEFAULT_PLACE)
    chosen = _context(files, context)
    configuration = Configuration()
    try:
        loader = await config.load_kube_config(
            config_file=_shown(files), context=chosen, client_configuration=configuration, persist_config=False
        )
    except (ConfigException, OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise NoClusterError(f"the kubeconfig {_shown(files)} cannot be used: {error}; mend it") from None
    return Way(configuration, str(loader.current_context["context"].get("namespace") or _DEFAULT_NAMESPACE))


def contexts(kubeconfig: str = "") -> list[str]:
    """Names of the contexts that may be chosen. NoClusterError where a file cannot be read."""
    return [name for file in _files(kubeconfig) for name in _contexts_in(file)[0]]


def _files(kubeconfig: str) -> list[Path]:
    """Those that are there, and not empty, of the files that are meant."""
    parts = [kubeconfig] if kubeconfig else (os.environ.get(VARIABLE) or DEFAULT_PLACE).split(os.pathsep)
    found = [Path(part).expanduser() for part in parts if part]
    return [file for file in found if file.is_file() and file.stat().st_size]


def _way_of_the_pod(looked_for: str) -> Way:
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
        return Way(configuration, SERVICE_ACCOUNT_NAMESPACE.read_text(encoding="utf-8").strip() or _DEFAULT_NAMESPACE)
    except (ConfigException, OSError):
        raise NoClusterError(
            f"no way to a cluster: there is no kubeconfig at {looked_for}, and this is no pod; set {VARIABLE} to one, "
            "or give it with --kubeconfig"
        ) from None


def _context(files: Sequence[Path], asked: str) -> str:
    """The name of the context to take: the one that was `asked` for, else, as kubectl does, the current one of the
    first file that has one. NoClusterError where the files cannot be read, or have no such context."""
    known: list[str] = []
    current = ""
    for file in files:
        names, its_current = _contexts_in(file)
        known += names
        current = current or its_current
    if (asked or current) in known:
        return asked or current
    has = f"it has {', '.join(known) or 'none at all'}"
    if asked:
        raise NoClusterError(f"--context {asked}: the kubeconfig {_shown(files)} has no such context; {has}")
    missing = f"its current-context {current} is not in it" if current else "it has no current-context"
    raise NoClusterError(f"the kubeconfig {_shown(files)}: {missing}; choose one with --context: {has}")


def _contexts_in(file: Path) -> tuple[list[str], str]:
    """Names of the contexts in a kubeconfig, and which is current."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        names = [str(found["name"]) for found in document.get("contexts") or ()]
        return names, str(document.get("current-context") or "")
    except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise NoClusterError(f"the kubeconfig {file} cannot be read: {reason}; mend it") from None


def _shown(files: Sequence[Path]) -> str:
    return os.pathsep.join(map(str, files))
