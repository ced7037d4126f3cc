"""Grafana's published types, and the compiler that compares a dashboard with those of several releases at once."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness.unavailable import UnavailableError

SOURCES = Path(__file__).parents[2] / "contract" / "grafana_types"
RELEASES = ("10.4", "11.6", "12.4", "13.2")
_COMPILER = {
    "strict": True, "noEmit": True, "skipLibCheck": True, "types": [], "allowImportingTsExtensions": True,
    "module": "esnext", "moduleResolution": "node10",  # the only one that finds the types of 11.6
    "target": "es2022",
}  # fmt: skip
_ERROR = re.compile(r"^(.+?)\.ts\(\d+,\d+\): (error .*)$", re.MULTILINE)


def compare(folder: Path, dashboards: Mapping[str, tuple[str, str]]) -> dict[str, list[str]]:
    """What the compiler says of each of `dashboards`: by a name for it, the release of Grafana and its JSON.

    Works in `folder`. UnavailableError where Node or the types cannot be had.
    """
    packages = _installed()
    (folder / "node_modules").symlink_to(packages)
    for release in RELEASES:
        _write(folder / f"grafana-{release}.ts", "dashboard.ts", release)
        own = f"panels-{release}.ts"
        _write(folder / f"grafana-{release}-panels.ts", own if (SOURCES / own).exists() else "panels.ts", release)
    for name, (release, text) in dashboards.items():
        header = f"import type {{ Dashboard }} from './grafana-{release}.ts';\nexport const dashboard: Dashboard =\n"
        (folder / f"{name}.ts").write_text(header + text, encoding="utf-8")
    options = {"compilerOptions": _COMPILER, "files": [f"{name}.ts" for name in dashboards]}
    (folder / "tsconfig.json").write_text(json.dumps(options), encoding="utf-8")
    command = ["node", packages / "typescript" / "bin" / "tsc", "--project", folder, "--pretty", "false"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    found: dict[str, list[str]] = {name: [] for name in dashboards}
    for name, said in _ERROR.findall(done.stdout):
        found[name].append(said)
    assert done.returncode in (0, 2), done.stdout + done.stderr
    assert (done.returncode == 2) == any(found.values()), done.stdout
    return found


def _write(path: Path, source: str, release: str) -> None:
    text = (SOURCES / source).read_text(encoding="utf-8")
    path.write_text(text.replace("RELEASE", f"grafana-{release}"), encoding="utf-8")


def _installed() -> Path:
    """The folder node_modules with what package-lock.json names, installed by whoever comes first."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise UnavailableError(f"there is no {program}: install Node.js 20 or newer, with npm")
    lock = (SOURCES / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wattrain"
    home = cache / f"grafana-types-{hashlib.sha256(lock).hexdigest()[:16]}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            _install(home)
            (home / "complete").touch()
    return home / "node_modules"


def _install(home: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCES / name, home)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split())[-400:]
        raise UnavailableError(f"npm cannot install Grafana's types: {said}; give npm a registry (npm config)")
    for release in RELEASES:
        # Each release imports itself by the name that it has when it is alone.
        scope = home / "node_modules" / f"grafana-{release}" / "node_modules" / "@grafana"
        scope.mkdir(parents=True)
        (scope / "schema").symlink_to("../..")
