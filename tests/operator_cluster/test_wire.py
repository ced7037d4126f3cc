"""What supervisors say, in the core's words."""

import contextlib
import json
import math

from hypothesis import given
from hypothesis import strategies as st

from wattrain_api.status import Progress, Restart
from wattrain_operator.wire import to_last_word, to_meters, to_report, with_last_word

POWER = {"component": "gpu", "source": "nvml", "watts": 50.0, "joules": 10.0, "lowJoules": 9.0, "highJoules": 11.0}
PROGRESS = {
    "phase": "training", "generation": 1, "step": 120, "totalSteps": 690, "epoch": 5, "epochs": 30, "loss": 0.31,
    "learningRate": 0.001, "stepSeconds": 0.002, "samples": 100, "validation": {"step": 115, "loss": 0.2, "extra": 1},
    "checkpoint": {"step": 100, "path": "x", "groupJoules": 31.0, "time": 1795480000.1}, "resumed": {"step": 80},
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
    assert (report.checkpoint_step, report.checkpoint_joules, report.resumed_step) == (100, 31.0, 80)
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


def test_figures_are_as_long_as_somebody_can_read():
    said = {"loss": 0.0003059145161195805, "learningRate": 0.001, "group": {"watts": 6.744134091390691}}
    report = to_report({**said, "validation": {"step": 1, "accuracy": 0.9797979797979798}}, "worker", 1, 0.0)
    assert (report.loss, report.learning_rate, report.watts) == (0.00030591, 0.001, 6.7441)
    assert report.validation.accuracy == 0.9798
    [meter] = to_meters([{**POWER, "joules": 64.58487749444012}])
    assert meter.joules == 64.585


def test_devices_of_one_component_are_added_up():
    [meter] = to_meters([{**POWER, "device": "a"}, {**POWER, "device": "b"}])
    assert (meter.joules, meter.low_joules, meter.high_joules) == (20.0, 18.0, 22.0)


def test_the_last_word_names_the_cause():
    cause = {"rank": 1, "node": "laptop", "reason": "PeerLost", "exitCode": 75, "lastLine": "gone", "step": 7}
    left = json.dumps({"exitCode": 75, "cause": cause, "step": 7, "energy": [POWER], "model": None})
    word, _ = to_last_word(left, 75, 0)
    assert (word.failure.rank, word.failure.reason, word.failure.last_line, word.step) == (1, "PeerLost", "gone", 7)
    assert word.energy[0].joules == 10.0


def test_no_last_word_leaves_the_exit_code_to_speak():
    killed, _ = to_last_word("", -9, 1)
    assert (killed.exit_code, killed.failure.reason, killed.failure.exit_code) == (-9, "Killed", -9)
    assert to_last_word('{"exitCode"', 65, 0)[0].failure.reason == "BadData"
    assert to_last_word("", 0, 0)[0].failure is None


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


WORD = {
    "exitCode": 75, "generation": 2, "step": 120, "loss": 0.3, "phase": "training", "checkpointStep": 100,
    "cause": {"rank": 1, "node": "a", "reason": "Killed", "exitCode": -9, "lastLine": "", "step": 120},
    "energy": [POWER], "test": {"step": 1, "loss": 0.2, "accuracy": 0.9}, "model": {"path": "/wattrain/a/model"},
}  # fmt: skip
NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([10**400, -1, "x" * 9999]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def places(document, path=()):
    """The paths of all values in `document`."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items if isinstance(document, dict | list) else ():
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@st.composite
def spoilt(draw, document):
    """`document` with nonsense in up to four places."""
    copy = json.loads(json.dumps(document))
    for path in draw(st.lists(st.sampled_from(list(places(document))), min_size=1, max_size=4)):
        with contextlib.suppress(LookupError, TypeError):  # nonsense lies there already
            place = copy
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = draw(NONSENSE)
    return copy


@given(progress=spoilt(PROGRESS), word=spoilt(WORD))
def test_whatever_a_pod_answers_fits_the_status_or_is_left_out(progress, word):
    report = to_report(with_last_word(progress, word), "worker", 1, 0.0)
    assert report.step >= 0
    assert report.total_steps >= 0
    assert all(math.isfinite(m.joules) and m.joules >= 0 for m in report.energy)
    assert report.phase.isprintable()
    Progress(phase=report.phase, step=report.step, epoch=report.epoch, loss=report.loss, validation=report.validation)
    for restart in report.restarts:
        Restart(
            time=restart.time, attempt=1, rank=restart.failure.rank, node=restart.failure.node,
            reason=restart.failure.reason, exit_code=restart.failure.exit_code, last_line=restart.failure.last_line,
            step=restart.failure.step, resumed_from_step=restart.resumed_from_step,
        )  # fmt: skip


@given(word=spoilt(WORD), exit_code=st.integers(-64, 255))
def test_whatever_a_pod_leaves_is_a_last_word(word, exit_code):
    left, said = to_last_word(json.dumps(word), exit_code, 0)
    assert left.exit_code == exit_code
    assert said.keys() <= word.keys()
    if left.failure is not None:
        assert left.failure.last_line.isprintable()
        assert len(left.failure.reason) <= 64


def test_a_last_line_cannot_steer_a_terminal_nor_turn_a_text_around():
    cause = {"reason": "Killed", "exitCode": 1, "lastLine": "\x1b[2Jdone\nfine\u202egnp", "node": "n" * 999}
    failure = to_last_word(json.dumps({"cause": cause}), 1, 0)[0].failure
    assert (failure.last_line, len(failure.node)) == ("[2Jdone fine gnp", 253)


def test_a_document_of_a_million_brackets_is_no_last_word():
    assert to_last_word("[" * 1_000_000, 70, 0)[0].failure.reason == "NonFiniteLoss"
