"""The checks that a reviewer would run by hand."""

import pytest


def test_types_are_right(python):
    result = python("-m", "mypy")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_code_is_linted(python):
    result = python("-m", "ruff", "check", ".")
    assert result.returncode == 0, result.stdout


def test_the_code_is_formatted(python):
    result = python("-m", "ruff", "format", "--check", ".")
    assert result.returncode == 0, result.stdout


def test_a_module_that_shadows_the_standard_library_is_found(python):
    # With operator/ on the path, operator/logging.py would be imported instead of the standard library's.
    result = python("-m", "ruff", "check", "--stdin-filename", "operator/logging.py", "-", text='"""A module."""\n')
    assert "A005" in result.stdout


def test_what_travels_into_foreign_images_is_written_for_python_3_9(python, root):
    carried = ("atomic_file", "names", "reasons", "metrics", "metric_families", "power_model", "power_sources")
    paths = [f"api/wattrain_api/{name}.py" for name in carried]
    paths += ["api/wattrain_api/contract", "worker/wattrain_worker/supervisor", "worker/wattrain_worker/power"]
    paths += [
        "worker/wattrain_worker/directive_file.py",
        "worker/wattrain_worker/errors.py",
        "worker/wattrain_worker/report.py",
        "worker/wattrain_worker/__main__.py",
    ]
    assert [path for path in paths if not (root / path).exists()] == []
    # invalid-syntax (always on) is what 3.9 cannot parse, FA102 and UP007's kin what it cannot evaluate
    result = python("-m", "ruff", "check", "--isolated", "--target-version", "py39", "--select", "E9,FA102", *paths)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "text", ["match 1:\n    case _: pass\n", "def f(x: int | None): ...\n"], ids=["statement", "annotation"]
)
def test_the_check_for_python_3_9_finds_what_is_newer(python, text):
    result = python(
        "-m", "ruff", "check", "--isolated", "--target-version", "py39", "--select", "E9,FA102", "-", text=text
    )
    assert result.returncode == 1, result.stdout
