"""Container images of a few static programs, written without any builder: an OCI layout in a tar archive."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_OCI = "application/vnd.oci.image"


def write_image(archive: Path, name: str, programs: Mapping[str, Path]) -> None:
    """Write an image called `name` to `archive`: one layer with `programs` by their path; the first is run."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as files:
        for path, program in programs.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = program.stat().st_size, 0o755
            with program.open("rb") as source:
                files.addfile(entry, source)
    blobs: dict[str, bytes] = {}

    def added(content: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    layer_entry = added(layer.getvalue(), f"{_OCI}.layer.v1.tar")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [next(iter(programs))]},
        "rootfs": {"type": "layers", "diff_ids": [layer_entry["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": added(_json(config), f"{_OCI}.config.v1+json"),
        "layers": [layer_entry],
    }
    root = added(_json(manifest), f"{_OCI}.manifest.v1+json") | {"annotations": {"io.containerd.image.name": name}}
    blobs["index.json"] = _json({"schemaVersion": 2, "manifests": [root]})
    blobs["oci-layout"] = _json({"imageLayoutVersion": "1.0.0"})
    with tarfile.open(archive, "w") as files:
        for path, content in blobs.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            files.addfile(entry, io.BytesIO(content))


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()
