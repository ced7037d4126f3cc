"""Programs of a Kubernetes cluster: from KUBEBUILDER_ASSETS, or built once from their Go modules and cached.

`python -m harness.binaries [NAME...]`, with tests/cluster on PYTHONPATH, makes all (or the named) and prints their
paths. A build is kept under its version and the hash of its inputs in $XDG_CACHE_HOME/wattrain.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.progress import say
from harness.unavailable import UnavailableError

_MODULES = Path(__file__).parents[1] / "binaries"
_ASSETS = ("etcd", "kube-apiserver", "kubectl")
_GO = (1, 26)


@dataclass(frozen=True)
class Build:
    """How a program is made: from a module in tests/cluster/binaries, or by `go install` of a package."""

    name: str
    package: str
    """Package for `go install`; for a module of ours, the module that its version is read from."""
    version: str = ""
    """Version of `package`; empty: a module of ours, whose go.mod says it."""
    programs: tuple[str, ...] = ()
    """Names that the program is called by; empty: its own."""


_BUILDS = (
    Build(
        "kubernetes",
        "k8s.io/kubernetes",
        programs=("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
    ),
    Build("etcd", "go.etcd.io/etcd/server/v3"),
    Build("otelcol", "go.opentelemetry.io/collector/otelcol"),
    Build("probe", "wattrain.dev/tests/probe"),
    Build("coredns", "github.com/coredns/coredns", "v1.15.0"),
    Build("helm", "helm.sh/helm/v4/cmd/helm", "v4.3.1"),
    Build("kwok", "sigs.k8s.io/kwok/cmd/kwok", "v0.8.0"),
    Build("fake-gcs-server", "github.com/fsouza/fake-gcs-server", "v1.56.1"),
)
PROGRAMS = {program: build for build in _BUILDS for program in build.programs or (build.name,)}
"""Every program that can be had, with its build."""


def find(program: str) -> Path:
    """Path of `program`, one of PROGRAMS, built where it is not there yet. UnavailableError where it cannot be."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and program in _ASSETS and (path := Path(assets, program)).is_file():
        return path
    return _built(PROGRAMS[program]) / program


def _built(build: Build) -> Path:
    """The folder of a finished build. Only one process builds at a time: the compiler uses every core as it is."""
    folder = cache_folder() / f"{build.name}-{_version(build)}-{_hash_of_inputs(build)}"
    if folder.is_dir():
        return folder
    with locked(cache_folder() / "build.lock"):
        if not folder.is_dir():
            _check_go(build)
            with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="building-") as temporary:
                made = Path(temporary, "made")
                made.mkdir()
                _run_go(build, made)
                made.rename(folder)  # at once: nobody ever sees half a build
    return folder


def _run_go(build: Build, folder: Path) -> None:
    """Build into `folder`, and say so: it takes minutes."""
    version, started = _version(build), time.monotonic()
    say(f"building {build.name} {version} (once; minutes on a small machine)")
    command, cwd = ["go", "install", f"{build.package}@{version}"], folder
    if not build.version:
        flags = f"-s -w {_version_flags(version)}" if build.name == "kubernetes" else "-s -w"
        command, cwd = ["go", "build", "-trimpath", "-ldflags", flags, "-o", str(folder), "."], _MODULES / build.name
    environment = os.environ | {"CGO_ENABLED": "0", "GOBIN": str(folder), "GOFLAGS": "-buildvcs=false"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-10:])
        raise UnavailableError(f"{build.name} {version} could not be built with {' '.join(command[:2])}:\n{last}")
    for program in build.programs:
        (folder / program).symlink_to(build.name)
    say(f"built {build.name} {version} in {time.monotonic() - started:.0f} s")


def _version_flags(version: str) -> str:
    major, minor, _ = version.removeprefix("v").split(".", 2)
    places = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return " ".join(f"-X {place}.{name}={value}" for place in places for name, value in values.items())


def _version(build: Build) -> str:
    if build.version:
        return build.version
    text = (_MODULES / build.name / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"\b{re.escape(build.package)} (v\S+)", text)
    return found[1] if found else "own"


def _hash_of_inputs(build: Build) -> str:
    digest = hashlib.sha256(repr(build).encode())
    for file in sorted((_MODULES / build.name).glob("*")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def cache_folder() -> Path:
    """Where builds and images are kept from one run to the next."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wattrain"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Inside, no other process of this machine is inside with the same `path`. Where it must wait it says for whom."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say(f"waiting until {file.read() or 'another process'} has ended, for it holds {path}")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"process {os.getpid()} ({' '.join(sys.orig_argv)} in {Path.cwd()}, since {datetime.now():%H:%M})")
        file.flush()
        yield


def _check_go(build: Build) -> None:
    remedy = f"install Go {_GO[0]}.{_GO[1]} or newer"
    if set(build.programs or (build.name,)) & set(_ASSETS):
        remedy += ", or let KUBEBUILDER_ASSETS name a folder with etcd, kube-apiserver and kubectl"
    if shutil.which("go") is None:
        raise UnavailableError(f"{build.name} is not built and there is no go command: {remedy}")
    said = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < _GO:
        raise UnavailableError(f"{build.name} cannot be built with {said}: {remedy}")


def main(names: list[str]) -> int:
    """Make the programs `names`, or all; 1 where one cannot be had."""
    unknown = set(names) - set(PROGRAMS)
    if unknown:
        say(f"{', '.join(sorted(unknown))}: unknown; choose from {', '.join(PROGRAMS)}")
        return 64
    failed = 0
    for name in names or PROGRAMS:
        try:
            sys.stdout.write(f"{name}\t{find(name)}\n")
        except UnavailableError as error:
            say(str(error))
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
