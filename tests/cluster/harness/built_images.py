"""The project's own images, built from the Dockerfile with buildah, and kept by the hash of what they are made of.

`python -m harness.built_images operator worker`, with tests/cluster on PYTHONPATH, builds them and prints their names.
Everything lies below $XDG_CACHE_HOME/wattrain/images, and nothing in the machine's own store of images. The base is
not pulled: it is made of Debian packages, and given the name of the official image that the Dockerfile begins with.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.unavailable import UnavailableError

_ROOT = Path(__file__).parents[3]
_INPUTS = ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE", "api", "operator", "worker")
_PACKAGES = "python3,python3-venv,ca-certificates"
_RELEASE = "bookworm"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class BuiltImage:
    """An image in the cache."""

    name: str
    """Repository and tag, `wattrain.dev/operator:0123456789ab`: a node takes a name without a host for a public one."""

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run `command` in a container of it, as the image's own user."""
        container = _buildah("from", "--pull-never", self.name).stdout.strip()
        try:
            return _buildah("run", "--isolation", "chroot", container, "--", *command, check=False)
        finally:
            _buildah("rm", container)

    def export(self, archive: Path) -> None:
        """Write it to `archive`, for `ctr images import`."""
        _buildah("push", "--disable-compression", self.name, f"oci-archive:{archive}:{self.name}")

    def inspect(self, template: str) -> str:
        """What a Go template says about its configuration."""
        return _buildah("inspect", "--type", "image", "--format", template, self.name).stdout.strip()


def build(target: str) -> BuiltImage:
    """The image of the Dockerfile's `target`, built where it is not there yet. UnavailableError where it cannot be."""
    _check_possible()
    image = BuiltImage(f"wattrain.dev/{target}:{_hash_of_inputs()}")
    with _locked():
        if not _exists(image.name):
            _make_base(_base())
            with tempfile.NamedTemporaryFile("w", suffix="-pip.conf") as pip:
                pip.write(_pip_configuration())
                pip.flush()
                mounts = [f"--volume={pip.name}:/etc/pip.conf:ro", f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro"]
                options = [
                    "--isolation=chroot",
                    "--layers",
                    "--pull-never",
                    f"--target={target}",
                    f"--tag={image.name}",
                ]
                _buildah("build", *options, *mounts, str(_ROOT), show=True)
            _remove_older(target, image.name)
    return image


def _remove_older(target: str, name: str) -> None:
    """Images of the same target from earlier sources; the layers that they share with this one stay."""
    names = _buildah("images", "--format", "{{.Name}}:{{.Tag}}").stdout.split()
    for older in names:
        if f"wattrain.dev/{target}:" in older and not older.endswith(name):
            _buildah("rmi", older, check=False)


def _check_possible() -> None:
    missing = [program for program in ("buildah", "debootstrap") if shutil.which(program) is None]
    if os.geteuid() != 0:
        raise UnavailableError("images cannot be built, because this is not root; run the tests as root")
    if missing:
        raise UnavailableError(
            f"images cannot be built, because {' and '.join(missing)} cannot be found; apt-get install "
            "--no-install-recommends buildah debootstrap"
        )


def _base() -> str:
    found = re.search(r"^ARG BASE=(\S+)$", (_ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def _make_base(name: str) -> None:
    if _exists(name):
        return
    with tempfile.TemporaryDirectory(dir=_cache(), prefix="base-") as directory:
        command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _RELEASE, directory]
        made = subprocess.run(command, stdout=sys.stderr, stderr=sys.stderr, check=False)
        if made.returncode != 0:
            raise UnavailableError("images cannot be built, because debootstrap failed: see its messages above")
        shutil.rmtree(Path(directory) / "var/cache/apt", ignore_errors=True)
        shutil.rmtree(Path(directory) / "var/lib/apt/lists", ignore_errors=True)
        container = _buildah("from", "scratch").stdout.strip()
        _buildah("copy", "--quiet", container, directory, "/")
        _buildah("commit", "--quiet", "--rm", container, name)


def _pip_configuration() -> str:
    """The machine's own: where packages come from, and whom to trust."""
    own = Path("/etc/pip.conf")
    index = os.environ.get("PIP_INDEX_URL")
    lines = ["[global]", f"cert = {_CERTIFICATES}", *([f"index-url = {index}"] if index else [])]
    return own.read_text() if own.exists() and not index else "\n".join(lines) + "\n"


def _hash_of_inputs() -> str:
    digest = hashlib.sha256()
    for name in _INPUTS:
        path = _ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(_ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _exists(name: str) -> bool:
    return _buildah("inspect", "--type", "image", name, check=False).returncode == 0


def _cache() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wattrain/images"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _buildah(*arguments: str, check: bool = True, show: bool = False) -> subprocess.CompletedProcess[str]:
    """Run buildah in the cache. `show`: what it says goes to standard error at once, for it may take minutes."""
    cache = _cache()
    policy = cache / "policy.json"
    if not policy.exists():
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')  # nothing is pulled
    verb, *rest = arguments
    signed = [f"--signature-policy={policy}"] if verb in ("build", "commit", "from", "push") else []
    store = [f"--root={cache / 'store'}", f"--runroot={cache / 'run'}", "--storage-driver=overlay"]
    output = sys.stderr if show else subprocess.PIPE
    done = subprocess.run(
        ["buildah", *store, verb, *signed, *rest], stdout=output, stderr=output, text=True, check=False
    )  # fmt: skip
    if check and done.returncode != 0:
        raise RuntimeError(f"buildah {verb} failed with {done.returncode}: {done.stderr or 'see its messages above'}")
    return done


@contextmanager
def _locked() -> Iterator[None]:
    with (_cache() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        sys.stdout.write(f"{build(wanted).name}\n")
