"""What must hold of the files of the repository."""

import re
from collections import Counter

import pytest

# A checkout's or a user's folder, and hosts of package and container registries: none of them is everybody's.
ABSOLUTE = re.compile(r"(?<![\w.$~}*-])/(?:root|home|work|Users)/\w")
REGISTRIES = re.compile(
    r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.org|proxy\.golang\.org|docker\.io|ghcr\.io|quay\.io|gcr\.io|registry\.k8s\.io)\b"
)


def test_no_package_shadows_the_operator_module_of_the_standard_library(root, repository_files):
    inits = {file.relative_to(root).parent for file in repository_files if file.name == "__init__.py"}
    assert [str(folder) for folder in inits if folder.name == "operator"] == []
    assert not (root / "operator" / "__init__.py").exists()


def test_python_starts_from_the_root_with_its_own_operator_module(python, root):
    code = "import operator, sys; sys.exit(not hasattr(operator, 'itemgetter'))"
    assert python("-c", f"import sys; sys.path.insert(0, {str(root)!r}); {code}").returncode == 0


def test_test_files_have_names_of_their_own_and_no_packages(root, repository_files):
    names = [file.name for file in repository_files if (root / "tests") in file.parents and file.suffix == ".py"]
    assert [name for name, count in Counter(names).items() if count > 1 and name != "conftest.py"] == []
    assert "__init__.py" not in names


@pytest.mark.parametrize("pattern", [ABSOLUTE, REGISTRIES], ids=["absolute paths", "registries"])
def test_no_file_names_somebodys_machine(root, repository_files, pattern):
    found = []
    for file in repository_files:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # a picture
        found += [
            f"{file.relative_to(root)}:{number}: {line}" for number, line in enumerate(lines, 1) if pattern.search(line)
        ]
    assert found == []


@pytest.mark.parametrize("line", ["cd /" + "work/main", 'open("/' + 'root/x")', "/" + "Users/me"])
def test_the_search_for_absolute_paths_finds_them(line):
    assert ABSOLUTE.search(line)
    assert not ABSOLUTE.search("worker/home/x") and not ABSOLUTE.search("$HOME/work/x")  # noqa: PT018


def test_the_search_for_registries_finds_them():
    assert REGISTRIES.search("https://" + "pypi" + ".org/simple")
