"""Which package may need which: by what is declared, by import-linter, and by blocking modules for real."""

import re
import shutil
import tomllib

import pytest


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def requirements(project, *extras):
    names = [re.match(r"[\w-]+", line)[0].lower() for line in project["project"]["dependencies"]]
    for extra in extras:
        names += [re.match(r"[\w-]+", line)[0].lower() for line in project["project"]["optional-dependencies"][extra]]
    return set(names)


def test_the_base_needs_pydantic_alone(project):
    assert requirements(project) == {"pydantic"}


def test_the_operator_declares_no_torch_and_the_worker_no_kopf(project):
    heavy = {"torch", "numpy", "polars", "safetensors", "nvidia-ml-py"}
    assert requirements(project, "operator").isdisjoint(heavy)
    assert "kopf" in requirements(project, "operator")
    assert requirements(project, "worker").isdisjoint({"kopf", "kubernetes"})
    assert "torch" in requirements(project, "worker")


LINT = """
import os, sys
os.environ["COLUMNS"] = "999"  # no line is folded
from importlinter.cli import lint_imports_command
sys.exit(lint_imports_command(["--no-cache"]))
"""
PLANTED = [
    ("core", "asyncio", "The core and what backends share are pure: no I/O, no event loop, no clock"),
    ("workers", "time", "The core and what backends share are pure: no I/O, no event loop, no clock"),
    ("core", "wattrain_operator.exposition", "Commands stand on backends, backends on shared modules, all on the core"),
    ("cluster", "wattrain_operator.local.backend", "The three backends know nothing of one another"),
    ("local", "wattrain_operator.cluster.settings", "The three backends know nothing of one another"),
    ("simulated", "wattrain_operator.local.backend", "The three backends know nothing of one another"),
    ("cluster.kube", "wattrain_operator.core.plan", "What talks to Kubernetes knows nothing of what a job needs"),
    ("cluster", "kopf", "kopf and the Kubernetes client are used in one place"),
    ("local", "torch", "The operator needs neither torch nor the worker"),
    ("wattrain_worker.power", "kopf", "The worker needs neither kopf nor the operator"),
    ("wattrain_worker.supervisor", "pydantic", "The supervisor runs without torch and pydantic, in any image"),
    (
        "wattrain_worker.power", "wattrain_worker.supervisor.waker",
        "Training stands on data and supervisor, the supervisor on power",
    ),
    ("wattrain_worker.train.recipes", "wattrain_worker.train.engine", "A recipe says what is trained, not how"),
    ("wattrain_api", "wattrain_operator", "The API knows neither side"),
    ("wattrain_api.contract", "wattrain_api.base", "The messages between operator and worker need no model of the API"),
]  # fmt: skip


def test_the_contracts_of_imports_hold(python):
    result = python("-c", LINT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def broken(python, root, tmp_path_factory):
    """What is said of each broken contract, by its name, where every import of PLANTED and a new module is planted."""
    copy = tmp_path_factory.mktemp("planted")
    folders = {"wattrain_api": "api", "wattrain_operator": "operator", "wattrain_worker": "worker"}
    for folder in folders.values():
        shutil.copytree(root / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", copy)
    for number, (package, imported, _) in enumerate(PLANTED):
        package = package if package.startswith("wattrain_") else f"wattrain_operator.{package}"
        file = copy / folders[package.split(".")[0]] / package.replace(".", "/") / f"planted_{number}.py"
        file.write_text(f"import {imported}\n", encoding="utf-8")
    (copy / "worker/wattrain_worker/unlisted.py").touch()
    paths = [str(copy / folder) for folder in folders.values()]
    result = python("-c", f"import sys; sys.path[:0] = {paths!r}\n{LINT}", cwd=copy)
    assert result.returncode == 1, result.stdout + result.stderr
    told = result.stdout.partition("Broken contracts")[2]
    return dict(re.findall(r"^([^\n]+)\n-{4,}\n(.*?)(?=\n[^\n]+\n-{4,}\n|\Z)", told, re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize("number", range(len(PLANTED)), ids=[f"{into} {what}" for into, what, _ in PLANTED])
def test_an_import_that_breaks_a_contract_is_found(broken, number):
    _, imported, contract = PLANTED[number]
    assert re.search(rf"\.planted_{number} -> {re.escape(imported)}\b", broken[contract]), broken


def test_a_module_that_stands_in_no_layer_is_found(broken):
    assert any("unlisted" in told for told in broken.values()), broken


BLOCKED_IMPORT = """
import importlib, pkgutil, sys
for name in {blocked!r}:
    sys.modules[name] = None
for name in {packages!r}:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(getattr(package, "__path__", []), name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            print(module.name)
"""


def imported_without(python, packages, blocked):
    result = python("-c", BLOCKED_IMPORT.format(blocked=blocked, packages=packages))
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_the_operator_imports_without_torch_and_without_the_worker(python):
    blocked = ["torch", "numpy", "polars", "safetensors", "wattrain_worker"]
    assert "wattrain_operator.core.plan" in imported_without(python, ["wattrain_operator"], blocked)


def test_the_core_imports_without_kopf_and_kubernetes(python):
    blocked = ["torch", "kopf", "kubernetes", "aiohttp", "typer", "rich"]
    assert "wattrain_operator.core.plan" in imported_without(python, ["wattrain_operator.core"], blocked)


def test_the_supervisor_imports_with_hardly_anything_installed(python):
    blocked = ["kopf", "kubernetes", "torch", "numpy", "polars", "pydantic", "safetensors", "yaml", "wattrain_operator"]
    packages = ["wattrain_worker.supervisor", "wattrain_worker.power", "wattrain_api.contract"]
    assert any(name.startswith(packages[0]) for name in imported_without(python, packages, blocked))


def test_the_worker_imports_without_kopf_and_without_the_operator(python):
    blocked = ["kopf", "kubernetes", "typer", "rich", "wattrain_operator"]
    assert imported_without(python, ["wattrain_worker"], blocked)
