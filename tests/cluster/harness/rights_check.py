"""A pytest plugin: at the end of a run, what operators asked of all API servers must be what they are granted.

Every control plane of the run leaves a record when it ends. A run of all tests must have used every right in the table
of docs/kubernetes.md, which other tests compare with the chart; a run of some tests must not have used another.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import rights
from harness.run_folder import folder_of_records

_TESTS = Path(__file__).parents[2]
FOUND = "wattrain/rights"
"""Under this name pytest's cache has the differences of the last run, for tests/run.sh."""
_RESULT = pytest.StashKey[tuple[str, list[str]]]()


@pytest.hookimpl(trylast=True)  # after the last fixtures, which end the control planes
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run where rights and use differ."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    use = rights.recorded(folder_of_records(config))
    whole = is_whole(config) and session.exitstatus == pytest.ExitCode.OK
    if not use.asked:
        if whole:
            config.stash[_RESULT] = "NOT CHECKED: no operator ran against an API server of ours", []
        return
    found = list(rights.differences(use, whole=whole))
    if config.cache is not None:
        config.cache.set(FOUND, found)
    if found and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    relation = "are exactly" if whole else "are among"
    config.stash[_RESULT] = f"{len(use.asked)} used, which {relation} the {len(rights.granted())} granted", found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what came out of it."""
    if _RESULT not in config.stash:
        return
    said, found = config.stash[_RESULT]
    terminalreporter.section("rights of the operator", sep="=", red=bool(found))
    terminalreporter.write_line("\n".join(found) or said)


def is_whole(config: pytest.Config) -> bool:
    """Whether all tests were asked for."""
    option = config.option
    selections = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise")
    named = {Path(config.invocation_params.dir, argument).resolve() for argument in config.args}
    return named in ({_TESTS}, {_TESTS.parent}) and not any(getattr(option, name, None) for name in selections)
