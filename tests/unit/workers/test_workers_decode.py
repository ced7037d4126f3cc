"""What supervisors say, in the core's words."""

import contextlib
import dataclasses
import json
import math
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from wattrain_api.contract.codec import decode, decode_json
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.progress import PowerReading
from wattrain_api.contract.progress import Progress as Answer
from wattrain_api.contract.termination import TerminationMessage as Left
from wattrain_api.status import Progress, Restart
from wattrain_operator.core.roles import Role
from wattrain_operator.workers.decode import to_meters, to_report, to_termination, with_termination
from wattrain_operator.workers.last_answer import next_answer

POWER = {"component": "gpu", "source": "nvml", "watts": 50.0, "joules": 10.0, "lowJoules": 9.0, "highJoules": 11.0}
PROGRESS = {
    "phase": "training",
    "generation": 1,
    "step": 120,
    "totalSteps": 690,
    "epoch": 5,
    "epochs": 30,
    "loss": 0.31,
    "learningRate": 0.001,
    "stepSeconds": 0.002,
    "samples": 100,
    "validation": {"step": 115, "loss": 0.2, "extra": 1},
    "checkpoint": {"step": 100, "path": "x", "groupJoules": 31.0, "time": 1795480000.1},
    "resumed": {"step": 80},
    "group": {
        "samplesPerSecond": 41000.0,
        "watts": 6.2,
        "samples": 201,
        "energy": [POWER],
        "workers": [{"worker": 0, "uid": "uid-a", "energy": [POWER]}, {"worker": 1, "uid": "uid-b"}],
        "restarts": [
            {
                "generation": 0,
                "time": 1795480001.0,
                "rank": 1,
                "node": "laptop",
                "reason": "Killed",
                "exitCode": -9,
                "lastLine": "",
                "step": 120,
                "resumedFromStep": 100,
                "joulesLost": 6.5,
            },
        ],
    },
}


def answer(document):
    return decode(Answer, document) or Answer()


def left(document):
    return decode(Left, document) or Left()


def report_of(progress, role=Role.WORKER, attempt=1):
    progress = answer(progress) if isinstance(progress, dict) else progress
    return to_report(next_answer(None, progress, 0.0), role, attempt, 0.0)


def names_of(structure):
    return {field.name for field in dataclasses.fields(structure)}


def plain(value):
    """A structure's fields, of the figures those that are finite, which the filled ones all are."""
    if not dataclasses.is_dataclass(value):
        return value
    return {name: item for name, item in dataclasses.asdict(value).items() if not name.endswith("_not_finite")}


def meters_of(*readings):
    return to_meters(decode(PowerReading, reading) for reading in readings)


def test_the_progress_of_worker_0_becomes_a_report():
    report = report_of(PROGRESS, attempt=2)
    assert (report.attempt, report.generation, report.step, report.total_steps) == (2, 1, 120, 690)
    assert (report.samples, report.samples_per_second, report.watts) == (201, 41000.0, 6.2)
    assert (report.checkpoint_step, report.checkpoint_joules, report.resumed_step) == (100, 31.0, 80)
    assert report.validation.loss == 0.2
    [restart] = report.restarts
    assert (restart.failure.rank, restart.failure.reason, restart.failure.exit_code) == (1, "Killed", -9)
    assert (restart.resumed_from_step, restart.joules_lost, restart.time.tzinfo is not None) == (100, 6.5, True)


def test_what_a_report_has_under_the_same_name_as_the_contract_is_what_was_said(filled):
    said = filled(Answer, role="worker")
    report = report_of(said, attempt=said.attempt)
    for name in names_of(report) & names_of(said):
        assert plain(getattr(report, name)) == plain(getattr(said, name)), f"{name}: to_report() must fill it"


def test_a_report_says_for_how_long_its_answers_were_the_same_and_how_old_the_last_one_is():
    first = next_answer(None, answer({"phase": "training", "step": 1}), 10.0)
    same = next_answer(first, answer({"phase": "training", "step": 1, "loss": 0.1}), 14.0)
    report = to_report(same, Role.WORKER, 1, 20.0)
    assert (report.unchanged_seconds, report.age_seconds, report.loss) == (4.0, 6.0, 0.1)
    moved = to_report(next_answer(same, answer({"phase": "training", "step": 2}), 21.0), Role.WORKER, 1, 21.0)
    assert (moved.unchanged_seconds, moved.age_seconds) == (0.0, 0.0)


def test_what_was_never_said_stays_unknown():
    report = report_of({})
    assert (report.loss, report.checkpoint_step, report.samples_per_second, report.energy) == (None, None, None, ())


def test_the_preparation_has_no_group_but_its_own_power():
    report = report_of({"phase": "preparing", "power": [{**POWER, "device": ""}]}, Role.PREPARE)
    assert (report.watts, [(one.uid, one.meters) for one in report.energy]) == (50.0, [("", meters_of(POWER))])
    named = report_of({"uid": "uid-3", "power": [POWER]}, Role.PREPARE)
    assert [(one.uid, one.worker) for one in named.energy] == [("uid-3", 0)]


def test_a_group_says_what_each_of_its_workers_has_used_under_its_uid():
    double = {**POWER, "joules": 20.0, "lowJoules": 18.0, "highJoules": 22.0}
    workers = [
        {"worker": 0, "uid": "uid-a", "energy": [POWER]}, {"worker": 1, "energy": [double]},
        {"worker": 2, "uid": "uid-c"}, {"worker": 3, "uid": 4, "energy": [POWER, POWER]}, {"uid": "of no worker"},
    ]  # fmt: skip
    report = report_of({**PROGRESS, "power": [POWER], "group": {**PROGRESS["group"], "workers": workers}})
    assert [(one.uid, one.worker, one.meters) for one in report.energy] == [
        ("uid-a", 0, meters_of(POWER)), ("", 1, meters_of(double)), ("", 3, meters_of(double)),
    ]  # fmt: skip


def test_figures_are_as_long_as_somebody_can_read():
    said = {"loss": 0.0003059145161195805, "learningRate": 0.001, "group": {"watts": 6.744134091390691}}
    report = report_of({**said, "validation": {"step": 1, "accuracy": 0.9797979797979798}})
    assert (report.loss, report.learning_rate, report.watts) == (0.00030591, 0.001, 6.7441)
    assert report.validation.accuracy == 0.9798
    [meter] = meters_of({**POWER, "joules": 64.58487749444012})
    assert meter.joules == 64.585


def test_devices_of_one_component_are_added_up():
    [meter] = meters_of({**POWER, "device": "a"}, {**POWER, "device": "b"})
    assert (meter.joules, meter.low_joules, meter.high_joules) == (20.0, 18.0, 22.0)


def test_the_termination_message_names_the_cause():
    cause = {"rank": 1, "node": "laptop", "reason": "PeerLost", "exitCode": 75, "lastLine": "gone", "step": 7}
    left = json.dumps({"exitCode": 75, "cause": cause, "step": 7, "energy": [POWER], "model": None})
    message, _ = to_termination(left, 75, 0)
    assert (message.failure.rank, message.failure.reason, message.failure.last_line, message.step) == (
        1,
        "PeerLost",
        "gone",
        7,
    )
    assert message.energy[0].joules == 10.0


def test_the_termination_message_of_a_preparation_has_its_warnings_and_what_could_not_be_read():
    left = json.dumps({"exitCode": 0, "prepare": {"rows": 9, "unreadable": 2, "warnings": ["two\nlines", 3]}})
    assert to_termination(left, 0, 0)[0].unreadable_samples == 2
    assert to_termination(left, 0, 0)[0].warnings == ("two lines",)
    assert to_termination(json.dumps({"exitCode": 0, "prepare": {"rows": 9}}), 0, 0)[0].warnings == ()


def test_the_termination_message_has_the_last_lines_of_a_log_and_no_more_than_are_kept():
    left = json.dumps({"exitCode": 0, "lastLines": [3, *(f"line {n}" + "x" * 300 for n in range(12)), "\x1b[31mred"]})
    lines = to_termination(left, 0, 0)[0].last_lines
    assert (len(lines), lines[0][:6], max(map(len, lines))) == (10, "line 3", 200)
    assert "\x1b" not in lines[-1]


def test_no_termination_message_leaves_the_exit_code_to_speak():
    killed, _ = to_termination("", -9, 1)
    assert (killed.exit_code, killed.failure.reason, killed.failure.exit_code) == (-9, "Killed", -9)
    assert to_termination('{"exitCode"', 65, 0)[0].failure.reason == "BadData"
    assert to_termination("", 0, 0)[0].failure is None


def test_the_termination_message_brings_the_progress_to_the_end():
    message = {"step": 690, "loss": 0.1, "phase": "done", "generation": 1}
    merged = with_termination(answer(PROGRESS), left(message))
    assert (merged.step, merged.loss, merged.phase, merged.epoch) == (690, 0.1, "done", 30)
    assert with_termination(answer(PROGRESS), left({"step": 100, "loss": 9.0})) == answer(PROGRESS)


def test_a_generation_that_began_anew_after_the_last_answer_counts_though_it_made_fewer_steps():
    assert with_termination(answer(PROGRESS), left({"step": 3, "loss": 2.5, "generation": 2})).step == 3
    assert with_termination(answer(PROGRESS), left({"step": 999, "loss": 2.5, "generation": 0})).step == 120


def test_a_checkpoint_that_only_the_termination_message_names_counts_with_what_had_been_spent_by_then():
    merged = with_termination(answer(PROGRESS), left({"step": 130, "checkpointStep": 130}))
    report = report_of(merged)
    assert (report.checkpoint_step, report.checkpoint_joules) == (130, 10.0)
    known = with_termination(answer(PROGRESS), left({"step": 130, "checkpointStep": 100}))
    assert known.checkpoint == answer(PROGRESS).checkpoint


MESSAGE = {
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


@given(progress=spoilt(PROGRESS), message=spoilt(MESSAGE))
def test_whatever_a_pod_answers_fits_the_status_or_is_left_out(progress, message):
    report = report_of(with_termination(answer(progress), left(message)))
    assert report.step >= 0
    assert report.total_steps >= 0
    assert all(math.isfinite(m.joules) and m.joules >= 0 for one in report.energy for m in one.meters)
    assert all(one.worker >= 0 and len(one.uid) <= 64 and one.uid.isprintable() for one in report.energy)
    assert report.phase.isprintable()
    Progress(phase=report.phase, step=report.step, epoch=report.epoch, loss=report.loss, validation=report.validation)
    for restart in report.restarts:
        Restart(
            time=restart.time, attempt=1, rank=restart.failure.rank, node=restart.failure.node,
            reason=restart.failure.reason, exit_code=restart.failure.exit_code, last_line=restart.failure.last_line,
            step=restart.failure.step, resumed_from_step=restart.resumed_from_step,
        )  # fmt: skip


@given(message=spoilt(MESSAGE), exit_code=st.integers(-64, 255))
@example(message={"exitCode": None}, exit_code=1)
def test_whatever_a_pod_leaves_is_a_termination_message(message, exit_code):
    left, as_left = to_termination(json.dumps(message), exit_code, 0)
    assert left.exit_code == exit_code
    assert as_left == decode(Left, message)
    if left.failure is not None:
        assert left.failure.last_line.isprintable()
        assert len(left.failure.reason) <= 64


def test_a_last_line_cannot_steer_a_terminal_nor_turn_a_text_around():
    cause = {"reason": "Killed", "exitCode": 1, "lastLine": "\x1b[2Jdone\nfine\u202egnp", "node": "n" * 999}
    failure = to_termination(json.dumps({"cause": cause}), 1, 0)[0].failure
    assert (failure.last_line, len(failure.node)) == ("[2Jdone fine gnp", 253)


def test_a_document_of_a_million_brackets_is_no_termination_message():
    assert to_termination("[" * 1_000_000, 70, 0)[0].failure.reason == "NonFiniteLoss"


def test_ranks_that_left_are_known_only_while_others_run():
    workers = [{"worker": 0, "ranks": 0, "ranksDone": [1, 0]}, {"worker": 1, "ranks": 1, "ranksDone": [3]}]
    assert report_of({"step": 1, "group": {"workers": workers}}).ranks_left == (0, 1, 3)
    workers[1]["ranks"] = 0
    assert report_of({"step": 1, "group": {"workers": workers}}).ranks_left == ()


def test_of_a_killed_supervisor_counts_what_it_left_while_it_ran():
    energy = [{"component": "gpu", "source": "nvml", "joules": 10.0, "lowJoules": 9.0, "highJoules": 11.0}]
    message = {"version": 1, "uid": "u", "attempt": 2, "time": 5.9, "step": 7, "lastLine": "epoch 3", "energy": energy}
    killed, _ = to_termination(json.dumps(message) + "  ", -9, 1)
    assert killed.failure == Failure("Killed", -9, worker=1, last_line="epoch 3", step=7)
    assert ([m.joules for m in killed.energy], killed.time) == ([10.0], datetime.fromtimestamp(5, UTC))


def test_a_replaced_worker_is_among_those_whose_joules_are_told():
    power = [{"component": "cpu", "source": "model", "joules": 3.0, "lowJoules": 1.0, "highJoules": 9.0}]
    members = {"workers": [{"worker": 0, "uid": "new", "energy": power}]}
    replaced = {"replaced": [{"worker": 0, "uid": "old", "energy": power}]}
    progress = decode_json(Answer, json.dumps({"version": 1, "group": members | replaced}))
    report = to_report(next_answer(None, progress, 0.0), Role.WORKER, 1, 0.0)
    assert [(one.uid, sum(m.joules for m in one.meters)) for one in report.energy] == [("old", 3.0), ("new", 3.0)]


def test_a_loss_that_is_no_number_any_more_is_no_number_in_the_status_either():
    said = {"step": 3, "loss": "NaN", "learningRate": "Infinity", "validation": {"step": 3, "loss": "-Infinity"}}
    report = report_of(said)
    assert (report.loss, report.loss_not_finite, report.learning_rate) == (None, "NaN", None)
    assert (report.validation.loss, report.validation.loss_not_finite) == (None, "-Infinity")
    assert str(report.validation.shown_loss) == "-inf"
    assert report == report_of(said)  # nan would not be equal to itself, and the status be written for ever


def test_notices_that_came_after_the_last_answer_are_taken_from_what_was_left():
    notice = {"reason": "NonFiniteLoss", "message": "the loss is NaN"}
    merged = with_termination(answer({"step": 1}), left({"step": 3, "loss": "NaN", "notices": [notice]}))
    assert [(one.reason, one.message) for one in report_of(merged).notices] == [("NonFiniteLoss", "the loss is NaN")]
    assert report_of(merged).loss_not_finite == "NaN"
