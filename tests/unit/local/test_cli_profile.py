from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from wattrain_api.atomic_file import write_atomically
from wattrain_api.contract.codec import decode_json, encode_json
from wattrain_api.contract.directive import Directive
from wattrain_operator.cli.app import app


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    """A run that another command holds, of two ranks in their second attempt."""
    spec: dict[str, Any] = {
        "recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1},
        "workers": {"replicas": 2},
    }  # fmt: skip
    kind = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob"}
    (tmp_path / "job.json").write_text(json.dumps({**kind, "metadata": {"name": "a"}, "spec": spec}))
    (tmp_path / "status.json").write_text('{"attempt": 2}')
    (tmp_path / "directives").mkdir()
    (tmp_path / "directives/a-2-0.json").write_bytes(b"")
    with (tmp_path / ".owner").open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        yield tmp_path


def ask(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["profile", *arguments])


def test_it_asks_by_a_directive_that_is_newer_and_prints_the_table_that_comes(run_dir: Path) -> None:
    file, profiles = run_dir / "directives/a-2-0.json", run_dir / "profiles"
    profiles.mkdir()
    (profiles / "steps-1-2.rank-1.txt").write_text("an old one")
    file.write_bytes(encode_json(Directive(3, checkpoint=True, threads=2)))

    def answer() -> None:
        while (directive := decode_json(Directive, file.read_bytes())) is None or directive.version < 4:
            pass
        write_atomically(profiles / "steps-7-9.rank-1.txt", b"aten::addmm")  # as a rank does

    worker = threading.Thread(target=answer)
    worker.start()
    result = ask(str(run_dir), "--steps", "3", "--rank", "1")
    worker.join()
    assert result.exit_code == 0
    assert decode_json(Directive, file.read_bytes()) == Directive(4, profile_steps=3, profile_rank=1, threads=2)
    assert result.stdout == f"aten::addmm\ntrace: {profiles / 'steps-7-9.rank-1.trace.json'}\n"


@pytest.mark.parametrize(
    ("directive", "rank", "words"),
    [
        (b"", "2", "--rank 2: the job has 2 ranks; write one from 0 to 1"),
        (encode_json(Directive(1, stop_at_step=0)), "0", "has been asked to stop"),
    ],
)
def test_what_cannot_be_profiled_is_refused(run_dir: Path, directive: bytes, rank: str, words: str) -> None:
    (run_dir / "directives/a-2-0.json").write_bytes(directive)
    result = ask(str(run_dir), "--rank", rank)
    assert result.exit_code == 2
    assert words in result.stderr
    assert (run_dir / "directives/a-2-0.json").read_bytes() == directive


def test_a_directory_in_which_nothing_runs_is_refused(tmp_path: Path) -> None:
    result = ask(str(tmp_path))
    assert result.exit_code == 2
    assert "no training runs there; name the directory of one that does" in result.stderr
