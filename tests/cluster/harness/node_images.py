"""Brings built images to a node: only what its store lacks travels, so that new code of ours costs seconds.

The store belongs to the cache and outlives its nodes. An image of six gigabytes is so written three times in all: by
the builder, as blobs in the store, and unpacked there.
"""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

from harness.binaries import cache_folder, locked
from harness.built_images import BuiltImage, build
from harness.node_cluster import NodeCluster
from harness.progress import run_long


def provide(node: NodeCluster, target: str) -> str:
    """Build the image of the Dockerfile's `target` and bring it to `node`, both where need be; its name.

    Images of the same target from older sources are removed from the node. UnavailableError where it cannot be built.
    """
    image = build(target)
    with locked(cache_folder() / "node-images.lock"):
        if image.name not in node.images():
            _bring(node, image)
            _remove_older(node, image)  # after the new one is there: what they share stays
    return image.name


def _bring(node: NodeCluster, image: BuiltImage) -> None:
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="layout-") as name:
        folder = Path(name)
        known = {folder / "blobs" / digest.replace(":", "/"): size for digest, size in node.blobs().items()}
        for blob, size in known.items():
            _pretend(blob, size)
        image.write_layout(folder)
        files = [file for file in folder.rglob("*") if file.is_file() and file not in known]
        size = sum(file.stat().st_size for file in files)
        wanted = folder / "files"
        wanted.write_text("".join(f"{file.relative_to(folder)}\n" for file in files), encoding="utf-8")
        pack = ["tar", "--create", f"--directory={folder}", f"--files-from={wanted}"]
        pipeline = f"{shlex.join(pack)} | {shlex.join(node.ctr_command('images', 'import', '-'))}"
        run_long(f"bringing {image.name} to the node ({size / 1e6:,.0f} MB)", ["sh", "-c", pipeline], folder / "log")


def _remove_older(node: NodeCluster, image: BuiltImage) -> None:
    """Other images of the same repository, under all their names: the kubelet's own name for one is its digest."""
    digests = node.images()
    older = [name for name in digests if name.startswith(f"{image.repository}:") and name != image.name]
    kept = {digest for name, digest in digests.items() if not name.startswith("sha256:") and name not in older}
    nameless = [name for name, digest in digests.items() if name.startswith("sha256:") and digest not in kept]
    if older or nameless:
        node.ctr("images", "remove", "--sync", *older, *nameless)


def _pretend(blob: Path, size: int) -> None:
    """An empty file of that size, which takes no room: the builder does not write a blob that is there."""
    blob.parent.mkdir(parents=True, exist_ok=True)
    with blob.open("wb") as file:
        file.truncate(size)
