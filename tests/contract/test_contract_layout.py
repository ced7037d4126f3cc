"""What must hold of the files of the repository."""

import re
from collections import Counter

import pytest

# A checkout's or a user's folder, and hosts of package and container registries: none of them is everybody's.
ABSOLUTE = re.compile(r"(?<![\w.$~}*-])/(?:root|home|work|Users)/\w")
REGISTRIES = re.compile(
    r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.org|proxy\.golang\.org|docker\.io|ghcr\.io|quay\.io|gcr\.io|registry\.k8s\.io)\b"
)
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")


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


def test_a_module_of_the_product_has_a_name_that_no_other_has(root, repository_files):
    folders = [root / name for name in ("api", "operator", "worker")]
    modules = [file for file in repository_files if file.suffix == ".py" and not set(folders).isdisjoint(file.parents)]
    assert len(modules) > 200
    counted = Counter(file.stem for file in modules if file.stem not in ("__init__", "__main__"))
    recipes = [file.stem for file in modules if file.parent.parent.name == "recipes"]
    counted -= Counter(recipes) - Counter(
        set(recipes)
    )  # the folders of recipes are alike, so that one serves as an example
    assert [name for name, count in counted.items() if count > 1] == []


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


def test_links_between_documents_lead_somewhere(root, repository_files):
    documents = [file for file in repository_files if file.suffix == ".md"]
    links = [(file, link) for file in documents for link in LINK.findall(file.read_text(encoding="utf-8"))]
    assert len(links) > 50
    assert [(str(file.relative_to(root)), link) for file, link in links if not _leads_somewhere(file, link)] == []


def _leads_somewhere(file, link):
    path, _, anchor = link.partition("#")
    target = file.parent / path if path else file
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(document):
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_decision_is_in_the_index(root):
    folder = root / "docs/decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = sorted(page.name for page in folder.glob("*.md") if page.name != "README.md")
    assert sorted(re.findall(r"\((\S+\.md)\)", index)) == pages
    for page in pages:
        text = (folder / page).read_text(encoding="utf-8")
        headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert headings[:3] == ["Context", "Decision", "Consequences"], page
