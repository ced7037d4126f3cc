"""What supervisors say, in the core's words."""

import json

from wattrain_operator.local.reports import read_last_word, to_meters, to_report, with_last_word

POWER = {"component": "gpu", "source": "nvml", "watts": 50.0, "joules": 10.0, "lowJoules": 9.0, "highJoules": 11.0}
PROGRESS = {
    "phase": "training", "generation": 1, "step": 120, "totalSteps": 690, "epoch": 5, "epochs": 30, "loss": 0.31,
    "learningRate": 0.001, "stepSeconds": 0.002, "samples": 100, "validation": {"step": 115, "loss": 0.2, "extra": 1},
    "checkpoint": {"step": 100, "path": "x", "groupJoules": 31.0, "time": 1795480000.1},
    "group": {
        "samplesPerSecond": 41000.0, "watts": 6.2, "samples": 201, "energy": [POWER], "workers": [{}, {}],
        "restarts": [
            {"generation": 0, "time": 1795480001.0, "rank": 1, "node": "laptop", "reason": "Killed", "exitCode": -9,
             "lastLine": "", "step": 120, "resumedFromStep": 100, "joulesLost": 6.5},
        ],
    },
}  # fmt: skip


def test_the_progress_of_worker_0_becomes_a_report():
    report = to_report(PROGRESS, "worker", 2, 1.5)
    assert (report.attempt, report.generation, report.step, report.total_steps) == (2, 1, 120, 690)
    assert (report.samples, report.samples_per_second, report.watts) == (201, 41000.0, 6.2)
    assert (report.checkpoint_step, report.checkpoint_joules) == (100, 31.0)
    assert report.validation.loss == 0.2
    [restart] = report.restarts
    assert (restart.failure.rank, restart.failure.reason, restart.failure.exit_code) == (1, "Killed", -9)
    assert (restart.resumed_from_step, restart.joules_lost, restart.time.tzinfo is not None) == (100, 6.5, True)


def test_what_was_never_said_stays_unknown():
    report = to_report({}, "worker", 1, 0.0)
    assert (report.loss, report.checkpoint_step, report.samples_per_second, report.energy) == (None, None, None, ())


def test_the_preparation_has_no_group_but_its_own_power():
    report = to_report({"phase": "preparing", "power": [{**POWER, "device": ""}]}, "prepare", 1, 0.0)
    assert (report.watts, [m.joules for m in report.energy]) == (50.0, [10.0])


def test_devices_of_one_component_are_added_up():
    [meter] = to_meters([{**POWER, "device": "a"}, {**POWER, "device": "b"}])
    assert (meter.joules, meter.low_joules, meter.high_joules) == (20.0, 18.0, 22.0)


def test_the_last_word_names_the_cause(tmp_path):
    file = tmp_path / "word.json"
    cause = {"rank": 1, "node": "laptop", "reason": "PeerLost", "exitCode": 75, "lastLine": "gone", "step": 7}
    file.write_text(json.dumps({"exitCode": 75, "cause": cause, "step": 7, "energy": [POWER], "model": None}))
    word, _ = read_last_word(file, 75, 0)
    assert (word.failure.rank, word.failure.reason, word.failure.last_line, word.step) == (1, "PeerLost", "gone", 7)
    assert word.energy[0].joules == 10.0


def test_no_last_word_leaves_the_exit_code_to_speak(tmp_path):
    killed, _ = read_last_word(tmp_path / "none.json", -9, 1)
    assert (killed.exit_code, killed.failure.reason, killed.failure.exit_code) == (-9, "Killed", -9)
    (tmp_path / "torn.json").write_text('{"exitCode"')
    assert read_last_word(tmp_path / "torn.json", 65, 0)[0].failure.reason == "BadData"
    assert read_last_word(tmp_path / "none.json", 0, 0)[0].failure is None


def test_the_last_word_brings_the_progress_to_the_end():
    word = {"step": 690, "loss": 0.1, "phase": "done"}
    merged = with_last_word(PROGRESS, word)
    assert (merged["step"], merged["loss"], merged["phase"], merged["epoch"]) == (690, 0.1, "done", 30)
    assert with_last_word(PROGRESS, {"step": 100, "loss": 9.0}) == PROGRESS


def test_a_checkpoint_that_only_the_last_word_names_counts_with_what_had_been_spent_by_then():
    merged = with_last_word(PROGRESS, {"step": 130, "checkpointStep": 130})
    report = to_report(merged, "worker", 1, 0.0)
    assert (report.checkpoint_step, report.checkpoint_joules) == (130, 10.0)
    assert with_last_word(PROGRESS, {"step": 130, "checkpointStep": 100})["checkpoint"] == PROGRESS["checkpoint"]
