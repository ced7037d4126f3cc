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


LINT = "import sys; from importlinter.cli import lint_imports_command as lint; sys.exit(lint(['--no-cache']))"


def test_the_contracts_of_imports_hold(python):
    result = python("-c", LINT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("operator/wattrain_operator/core/planted.py", "import asyncio", "The core is pure"),
        ("operator/wattrain_operator/planted.py", "import torch", "The operator needs neither torch"),
        ("worker/wattrain_worker/planted.py", "import kopf", "The worker needs neither kopf"),
        ("api/wattrain_api/planted.py", "import wattrain_operator", "The API knows neither side"),
    ],
)
def test_an_import_that_breaks_a_contract_is_found(python, root, tmp_path, file, line, contract):
    for folder in ("api", "operator", "worker"):
        shutil.copytree(root / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    (tmp_path / file).write_text(f"{line}\n", encoding="utf-8")
    paths = [str(tmp_path / folder) for folder in ("api", "operator", "worker")]
    result = python("-c", f"import sys; sys.path[:0] = {paths!r}; {LINT}", cwd=tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert re.search(rf"{contract}.* BROKEN", result.stdout), result.stdout


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
    packages = ["wattrain_worker.supervisor", "wattrain_worker.power"]
    assert any(name.startswith(packages[0]) for name in imported_without(python, packages, blocked))


def test_the_worker_imports_without_kopf_and_without_the_operator(python):
    blocked = ["kopf", "kubernetes", "typer", "rich", "wattrain_operator"]
    assert imported_without(python, ["wattrain_worker"], blocked)
