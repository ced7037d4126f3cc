"""Words that docs/glossary.md has replaced do not come back, in what is shipped and in what describes it."""

import re
from pathlib import Path

import pytest

CODE = ("api", "operator", "worker")
PROSE = ("docs", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
GLOSSARY = Path("docs/glossary.md")
"""Names the words that are not used."""

ANYWHERE = {
    "termination message": r"last[ _-]?words?\b|\w*LastWord\w*",
    "network": r"surround\w*",
    "trim": r"\bslim\w*",
    "untrusted": r"\b(un)?sound(s|ed|ly|ness)?\b",
}
"""What to write, and what is found instead of it, in upper or lower case."""
IN_CODE = {
    # Of a file, tell() is the standard library's.
    "event, report or send": r"(?<!file\.)\b_?tell(_\w+)?\(|\b_?tell\w*: Callable",
    "view model": r"\bclass _?\w*Look\b|\blook: ",
}


def found(text, patterns):
    """The lines of `text` with a word that is not used, and the word to use."""
    return [
        f"{number}: {line.strip()} (write {instead})"
        for number, line in enumerate(text.splitlines(), 1)
        for instead, pattern in patterns.items()
        if re.search(pattern, line, re.IGNORECASE)
    ]


def among(files, root, names):
    """Those of `files` that are, or lie below, one of `names`."""
    wanted = [file for file in files if file.relative_to(root).parts[0] in names and file.suffix in (".py", ".md")]
    return [file for file in wanted if file.relative_to(root) != GLOSSARY]


def test_words_that_are_not_used_are_nowhere(root, repository_files):
    files = among(repository_files, root, CODE + PROSE)
    assert len(files) > 200
    lines = [f"{file.relative_to(root)}:{line}" for file in files for line in found(file.read_text(), ANYWHERE)]
    assert lines == []


def test_names_that_are_not_used_are_not_in_code(root, repository_files):
    files = among(repository_files, root, CODE)
    lines = [f"{file.relative_to(root)}:{line}" for file in files for line in found(file.read_text(), IN_CODE)]
    assert lines == []


@pytest.mark.parametrize(
    "line",
    ["its last word", "class LastWord:", "last_words = 1", "the surroundings", "slim_pod(body)", "a sound answer"],
)
def test_the_search_finds_a_word_wherever_it_is(line):
    assert found(line, ANYWHERE)


@pytest.mark.parametrize(
    "line",
    [
        "draft.tell(reason)",
        "def _tell_all(self)",
        "tell: Callable[[str], None]",
        "class Look:",
        "def show(look: ViewModel)",
    ],
)
def test_the_search_finds_a_name_in_code(line):
    assert found(line, IN_CODE)


@pytest.mark.parametrize(
    "line", ["file.tell()", "the last worker", "tells_phase(opening)", "a thousand sounding calls", "looks at it"]
)
def test_the_search_lets_other_words_stand(line):
    assert found(line, ANYWHERE | IN_CODE) == []
