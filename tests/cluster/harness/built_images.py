"""The project's own images, built from the Dockerfile with buildah, and kept by the hash of what they are made of.

`python -m harness.built_images operator worker`, with tests/cluster on PYTHONPATH, builds them and prints their names.
Everything lies below $XDG_CACHE_HOME/wattrain/images, and nothing in the machine's own store of images. The base is
not pulled: it is made of Debian packages, and given the name of the official image that the Dockerfile begins with.

The stages that they are made from are images with names too, those with dependencies by the hash of what these are:
so a change of our code builds a few megabytes on top of them, and what older code has left can be removed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.binaries import cache_folder, locked
from harness.progress import CommandFailedError, run_long, say
from harness.unavailable import UnavailableError

_ROOT = Path(__file__).parents[3]
_INPUTS = (
    "Dockerfile",
    ".dockerignore",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "api",
    "operator",
    "worker",
    "dashboards",
)
_IMAGES = ("operator", "worker")
_STAGES = {target: ("tools", f"{target}-dependencies", "project") for target in _IMAGES}
"""The stages that an image is made from."""
_PACKAGES = "python3,python3-venv,ca-certificates"
_RELEASE = "bookworm"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_IN_USE_SECONDS = 3600
_INDEXES = {"PIP_INDEX_URL": "index-url", "PIP_EXTRA_INDEX_URL": "extra-index-url"}
"""Variables that say where pip finds packages, and what they are called in its configuration."""


@dataclass(frozen=True)
class BuiltImage:
    """An image in the cache."""

    name: str
    """Repository and tag, `wattrain.dev/operator:0123456789ab`: a node takes a name without a host for a public one."""

    @property
    def repository(self) -> str:
        """`wattrain.dev/operator`."""
        return self.name.rpartition(":")[0]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run `command` in a container of it, as the image's own user."""
        container = _buildah("from", "--pull-never", self.name).stdout.strip()
        try:
            return _buildah("run", "--isolation", "chroot", container, "--", *command, check=False)
        finally:
            _buildah("rm", container)

    def write_layout(self, folder: Path) -> None:
        """Write it into `folder` as an OCI layout. A layer is not written where there is a file of its name already;
        with buildah's own push it would be, for that compresses layers first."""
        cache = _cache()
        source = f"containers-storage:[overlay@{cache / 'store'}+{cache / 'run'}]{self.name}"
        command = ["skopeo", f"--policy={_policy()}", "copy", "--dest-oci-accept-uncompressed-layers"]
        run_long(f"copying {self.name}", [*command, source, f"oci:{folder}:{self.name}"], cache / "copy.log")

    def inspect(self, template: str) -> str:
        """What a Go template says about its configuration."""
        return _buildah("inspect", "--type", "image", "--format", template, self.name).stdout.strip()


def build(target: str) -> BuiltImage:
    """The image of the Dockerfile's `target`, built where it is not there yet. UnavailableError where it cannot be.

    `target` is `operator`, `worker`, or a stage with dependencies of one of them.
    """
    _check_possible()
    image = _image(target)
    with locked(_cache() / "lock"):
        if not _exists(image.name):
            for stage in (*_STAGES.get(target, ()), target):
                _build_stage(stage)
            _buildah("rmi", "--prune", check=False)
    return image


def _image(stage: str) -> BuiltImage:
    ours = stage in (*_IMAGES, "project")
    return BuiltImage(f"wattrain.dev/{stage}:{_hash_of_code() if ours else _hash_of_dependencies()}")


def _build_stage(stage: str) -> None:
    """Build one stage and name it; then remove the images of the same stage that were made of older sources."""
    image = _image(stage)
    if _exists(image.name):
        return
    _make_base(_base())
    with tempfile.NamedTemporaryFile("w", suffix="-pip.conf") as pip:
        pip.write(_pip_configuration())
        pip.flush()
        mounts = [f"--volume={pip.name}:/etc/pip.conf:ro", f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro"]
        options = ["--isolation=chroot", "--layers", "--pull-never", f"--target={stage}", f"--tag={image.name}"]
        why = " (once: PyTorch is gigabytes; minutes)" if stage == "worker-dependencies" else ""
        _run_long(f"building {image.name}{why}", _command("build", *options, *mounts, str(_ROOT)))
    _remove_older(image)


def _remove_older(image: BuiltImage) -> None:
    """Images of the same repository, but for those that another checkout's tests may have built just now."""
    shown = _buildah("images", "--format", "{{.Name}}:{{.Tag}} {{.CreatedAtRaw.Unix}}").stdout
    for name, created in (line.split() for line in shown.splitlines()):
        is_other = f"{image.repository}:" in name and not name.endswith(image.name)
        if is_other and time.time() - int(created) > _IN_USE_SECONDS:
            _buildah("rmi", name, check=False)  # what a container still uses stays


def _check_possible() -> None:
    missing = [program for program in ("buildah", "debootstrap", "skopeo") if shutil.which(program) is None]
    if os.geteuid() != 0:
        raise UnavailableError("images cannot be built, because this is not root; run the tests as root")
    if missing:
        raise UnavailableError(
            f"images cannot be built, because {', '.join(missing)} cannot be found: run "
            "tests/cluster/install-packages.sh"
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
        _run_long(f"building {name} of Debian packages (once; a minute)", command)
        shutil.rmtree(Path(directory) / "var/cache/apt", ignore_errors=True)
        shutil.rmtree(Path(directory) / "var/lib/apt/lists", ignore_errors=True)
        container = _buildah("from", "scratch").stdout.strip()
        _buildah("copy", "--quiet", container, directory, "/")
        _buildah("commit", "--quiet", "--rm", container, name)


def _run_long(what: str, command: list[str]) -> None:
    try:
        run_long(what, command, _cache() / "build.log")
    except CommandFailedError as error:
        raise UnavailableError(f"images cannot be built. {error}") from None


def _pip_configuration() -> str:
    """Where packages come from, and whom to trust: what the environment says, else what the machine's own file says."""
    own, told = Path("/etc/pip.conf"), _told_indexes()
    if own.exists() and not told:
        return own.read_text()
    return "\n".join(["[global]", f"cert = {_CERTIFICATES}", *told]) + "\n"


def _told_indexes() -> list[str]:
    return [f"{option} = {os.environ[name]}" for name, option in _INDEXES.items() if os.environ.get(name)]


def _hash_of_dependencies() -> str:
    """Of all that decides what is in the stages with dependencies."""
    recipe = (_ROOT / "Dockerfile").read_text(encoding="utf-8").partition("# --- The project's own code")[0]
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    installed = [extras[name] for name in ("operator", "otlp", "worker", "images", "text", "onnx")]
    wanted = [project["dependencies"], installed, _told_indexes(), _PACKAGES, _RELEASE]
    return _hash([recipe.encode(), repr(wanted).encode()])


def _hash_of_code() -> str:
    paths = [_ROOT / name for name in _INPUTS]
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    sources = [file for file in files if file.is_file() and "__pycache__" not in file.parts]
    named = [str(file.relative_to(_ROOT)).encode() + b"\0" + file.read_bytes() for file in sources]
    return _hash([_hash_of_dependencies().encode(), *named])


def _hash(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part + b"\0")
    return digest.hexdigest()[:12]


def _exists(name: str) -> bool:
    return _buildah("inspect", "--type", "image", name, check=False).returncode == 0


def _cache() -> Path:
    cache = cache_folder() / "images"
    cache.mkdir(exist_ok=True)
    return cache


def _buildah(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run buildah in the cache."""
    done = subprocess.run(_command(*arguments), capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"buildah {arguments[0]} failed with {done.returncode}: {done.stderr}")
    return done


def _command(verb: str, *arguments: str) -> list[str]:
    cache = _cache()
    signed = [f"--signature-policy={_policy()}"] if verb in ("build", "commit", "from") else []
    store = [f"--root={cache / 'store'}", f"--runroot={cache / 'run'}", "--storage-driver=overlay"]
    return ["buildah", *store, verb, *signed, *arguments]


def _policy() -> Path:
    """Which images are to be trusted: all, for none is pulled."""
    policy = _cache() / "policy.json"
    if not policy.exists():
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')
    return policy


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        try:
            sys.stdout.write(f"{build(wanted).name}\n")
        except UnavailableError as error:
            say(str(error))
            sys.exit(1)
