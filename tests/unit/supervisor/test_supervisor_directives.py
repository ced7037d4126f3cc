"""A directive's way from the operator's file to the ranks of one worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattrain_api import names
from wattrain_api.contract.codec import encode_json
from wattrain_api.contract.directive import Directive
from wattrain_api.contract.phases import Phase
from wattrain_worker.directive_file import DirectiveFile
from wattrain_worker.supervisor.config import read_config
from wattrain_worker.supervisor.directives import Directives
from wattrain_worker.supervisor.rank_reports import RankReports
from wattrain_worker.supervisor.step_count import StepCount
from wattrain_worker.train.rank_directives import RankDirectives

Make = Callable[..., Directives]


@pytest.fixture
def reports() -> RankReports:
    steps = StepCount(is_script=False, first_attempt=True)
    return RankReports(Phase.TRAINING, 0, lambda _: None, steps)


@pytest.fixture
def make(tmp_path: Path, reports: RankReports) -> Make:
    """Makes the directives of a worker, a recipe's or a script's."""

    def made(spec: dict[str, Any] | None = None, **environ: str) -> Directives:
        (tmp_path / "spec.json").write_text(json.dumps(spec or {}))
        told = {"WATTRAIN_SPEC": str(tmp_path / "spec.json"), "WATTRAIN_DIRECTIVE_FILE": str(tmp_path / "told")}
        return Directives(read_config({**told, **environ}), str(tmp_path), reports)

    return made


SCRIPT = {"script": {"command": ["python", "train.py"]}}


def test_a_file_that_is_replaced_as_kubelets_do_is_read_anew(tmp_path: Path) -> None:
    """Volumes of a pod are folders behind a link that is changed in one step."""
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "directive").write_bytes(encode_json(Directive(number)))
    (tmp_path / "data").symlink_to("1")
    file = DirectiveFile(str(tmp_path / "data" / "directive"))
    assert [file.read(), file.read()] == [Directive(1)] * 2
    (tmp_path / "new").symlink_to("2")
    assert not file.has_changed
    (tmp_path / "new").rename(tmp_path / "data")
    assert file.has_changed
    assert file.read() == Directive(2)
    assert not file.has_changed


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_file_is_no_directive_and_no_problem(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    file = DirectiveFile(str(tmp_path / "file"))
    assert (file.read(), file.problem) == (None, "")
    assert DirectiveFile("").read() is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "told cannot be read (No such file or directory)"),
        ('{"stop', "told holds no directive, but"),
        ('{"version": "new"}', "told holds no directive, but"),
    ],
)
def test_what_is_wrong_with_the_file_is_said_once(
    tmp_path: Path, make: Make, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    directives = make()
    if text is not None:
        (tmp_path / "told").write_text(text)
    assert [directives.read() for _ in range(3)] == [None] * 3
    assert capsys.readouterr().err.count(said) == 1
    (tmp_path / "told").write_bytes(encode_json(Directive(1)))
    assert directives.read() == Directive(1)
    (tmp_path / "told").unlink()
    assert directives.read() is None


def test_rank_0_of_a_recipe_finds_it_where_its_environment_says(make: Make) -> None:
    directives = make()
    ranks = RankDirectives(directives.environment[names.ENV_RANK_DIRECTIVE_FILE])
    assert (ranks.wants_checkpoint(), ranks.stop_at_step()) == (False, 0)
    directives.pass_on(Directive(1, checkpoint=True))
    assert [ranks.wants_checkpoint() for _ in range(3)] == [True, False, False]
    directives.pass_on(Directive(2, checkpoint=True, stop_at_step=40))
    assert (ranks.wants_checkpoint(), ranks.wants_checkpoint(), ranks.stop_at_step()) == (True, False, 40)
    directives.pass_on(Directive(3))
    assert (ranks.wants_checkpoint(), ranks.stop_at_step()) == (False, 0)


def test_new_ranks_save_nothing_that_others_were_asked_for_but_stop_where_they_were_to(make: Make) -> None:
    directives = make()
    directives.start_generation()
    directives.pass_on(Directive(2, checkpoint=True, stop_at_step=40))
    directives.start_generation()
    ranks = RankDirectives(directives.environment[names.ENV_RANK_DIRECTIVE_FILE])
    assert (ranks.wants_checkpoint(), ranks.stop_at_step()) == (False, 40)


def test_other_workers_leave_it_to_rank_0(make: Make, reports: RankReports) -> None:
    group = {"WATTRAIN_WORKERS": "2", "WATTRAIN_WORKER_INDEX": "1", "WATTRAIN_GROUP_TOKEN": "t"}
    directives = make(**group, WATTRAIN_COORDINATOR="h:1")
    directives.pass_on(Directive(1, checkpoint=True))
    assert (directives.environment, reports.progress().messages) == ({}, ())


def test_a_script_is_not_asked_to_save_and_a_person_is_told(make: Make, reports: RankReports) -> None:
    directives = make(SCRIPT)
    directives.pass_on(Directive(7, checkpoint=True))
    said = "directive 7 asks for a checkpoint, and a script saves, profiles and pauses when it wants to"
    assert (directives.environment, reports.progress().messages) == ({}, (said,))


def test_a_script_is_stopped_once_it_is_past_its_step_and_a_recipe_stops_by_itself(make: Make) -> None:
    script, recipe = make(SCRIPT), make()
    assert not script.has_reached_its_end(5)
    for directives in (script, recipe):
        directives.pass_on(Directive(1, stop_at_step=10))
    assert [script.has_reached_its_end(step) for step in (9, 10, 11)] == [False, True, True]
    assert not recipe.has_reached_its_end(11)


def test_ranks_that_start_anew_keep_their_duty_and_their_threads(tmp_path: Path, make: Make) -> None:
    directives = make()
    directives.pass_on(Directive(3, profile_steps=5, duty_ratio=0.6, threads=2))
    directives.start_generation()
    ranks = RankDirectives(directives.environment["WATTRAIN_RANK_DIRECTIVE_FILE"])
    assert (ranks.duty_ratio(), ranks.threads(), ranks.wanted_profile().steps) == (0.6, 2, 0)
    directives.pass_on(Directive(4))
    assert (ranks.duty_ratio(), ranks.threads()) == (1.0, 0)
