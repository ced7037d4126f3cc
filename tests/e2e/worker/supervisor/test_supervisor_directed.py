"""Groups that the operator directs by a file: scripts, and a recipe's two real ranks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wattrain_api.contract.codec import encode_json
from wattrain_api.contract.directive import Directive

SAVES_WHEN_ASKED = """
def save(*_):
    report(step=9, checkpoint={"step": 9, "path": "step-9"})
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
report(phase="training", step=8)
if rank == 0:
    wait_for("go")
    report(step=20)
wait_for("never")
"""


def direct(directory: Path, directive: Directive) -> None:
    """Put `directive` where worker 0 finds it."""
    temporary = directory / "directive.new"
    temporary.write_bytes(encode_json(directive))
    temporary.rename(directory / "directive")


def start(group: Any, wait: Any, script: str) -> None:
    direct(group.directory, Directive(1))
    group.start(script, workers=2, environ={"WATTRAIN_DIRECTIVE_FILE": str(group.directory / "directive")})
    for worker in range(2):
        wait.until(lambda worker=worker: group.progress(worker)["step"] == 8, "the training runs")


def test_a_directive_stops_the_scripts_of_all_workers(group: Any, wait: Any) -> None:
    start(group, wait, SAVES_WHEN_ASKED)
    wait.until(lambda: group.progress().get("directiveVersion") == 1, "all have taken the first one")
    direct(group.directory, Directive(2, stop_at_step=0))
    assert group.exit_codes() == [143, 143]
    assert [group.termination(worker)["checkpointStep"] for worker in range(2)] == [9, 9]


def test_a_script_is_stopped_when_it_says_that_it_has_reached_the_step(group: Any, wait: Any) -> None:
    start(group, wait, SAVES_WHEN_ASKED)
    direct(group.directory, Directive(2, checkpoint=True, stop_at_step=15))
    wait.until(lambda: group.progress().get("directiveVersion") == 2, "all have taken it")
    assert "a script saves, profiles and pauses when it wants to" in group.progress()["messages"][0]
    assert (group.progress()["phase"], group.progress()["ranksRunning"]) == ("training", 1)
    group.release("go")
    assert group.exit_codes() == [143, 143]


def recipe_environ(directory: Path) -> dict[str, str]:
    """Of a worker whose two ranks train on digits until they are stopped."""
    spec = {
        "workers": {"processesPerWorker": 2},
        "recipe": {"name": "logistic-regression", "params": {}},
        "data": {"source": {"builtin": "digits"}},
        "training": {"maxSteps": 1_000_000_000, "batchSize": 64, "recordEverySteps": 100},
        "checkpoint": {"every": {"steps": 1_000_000_000}},
    }
    (directory / "recipe.json").write_text(json.dumps(spec))
    return {
        "WATTRAIN_SPEC": str(directory / "recipe.json"), "WATTRAIN_PREPARE": "own",
        "WATTRAIN_DATA_DIR": str(directory / "data"), "WATTRAIN_CHECKPOINT_DIR": str(directory / "checkpoints"),
        "WATTRAIN_MODEL_DIR": str(directory / "model"), "WATTRAIN_DIRECTIVE_FILE": str(directory / "directive"),
        "WATTRAIN_CPU_LIMIT": "1",
    }  # fmt: skip


def test_two_real_ranks_save_when_they_are_asked_and_go_on_then_stop_with_a_checkpoint(group: Any, wait: Any) -> None:
    direct(group.directory, Directive(1))
    group.start("", environ=recipe_environ(group.directory))
    wait.until(lambda: group.progress().get("phase") == "training" and group.progress()["step"], "they train")
    assert "checkpoint" not in group.progress()
    step = group.progress()["step"]
    direct(group.directory, Directive(2, checkpoint=True))
    wait.until(
        lambda: "groupJoules" in group.progress().get("checkpoint", {}), "a checkpoint is saved and accounted for"
    )
    saved = group.progress()["checkpoint"]
    assert saved["step"] > step
    assert saved["groupJoules"] > 0, "whoever hears of a checkpoint hears what it makes safe"
    wait.until(lambda: group.progress().get("directiveVersion") == 2, "the version is echoed")
    wait.until(lambda: group.progress()["step"] > saved["step"] + 100, "the training goes on")
    assert group.progress()["checkpoint"] == saved
    assert (group.progress()["generation"], group.progress()["ranksRunning"]) == (0, 2)
    direct(group.directory, Directive(3, stop_at_step=0))
    assert group.exit_codes() == [143], group.said()
    message = group.termination()
    assert (message["exitCode"], "cause" in message) == (143, False)
    assert message["checkpointStep"] == message["step"] > saved["step"]
    assert len(list((group.directory / "checkpoints").glob("step-*/manifest.json"))) == 2


def test_a_worker_that_is_done_has_its_meters_joules_in_the_model_card(group: Any) -> None:
    environ = recipe_environ(group.directory)
    spec = group.directory / "recipe.json"
    spec.write_text(spec.read_text().replace("1000000000, ", "4, ", 1))
    group.start("", environ=environ | {"WATTRAIN_JOB": "four-steps"})
    assert group.exit_codes() == [0], group.said()
    card = (group.directory / "model" / "README.md").read_text()
    assert "# four-steps" in card
    assert "Counted by the workers' own meters up to their end" in card
    assert card.count("| Energy | ") == 1
