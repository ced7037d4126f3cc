"""The records of a run as the source of the page."""

import contextlib
import json
import os
import shutil
from datetime import UTC, datetime

import pytest

from wattrain_api.status import Condition, EnergyStatus, Meter, Progress, TrainingJobStatus
from wattrain_operator.local.refused import Refused
from wattrain_operator.local.run_source import RunSource
from wattrain_operator.local.rundir import RunDirectory

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
START = BEGAN.timestamp()


def energy(*sources):
    meters = tuple(Meter("cpu" if index else "gpu", source, 50.0, 25.0, 100.0) for index, source in enumerate(sources))
    count = len(sources)
    return EnergyStatus(joules=50.0 * count, low=25.0 * count, high=100.0 * count, meters=meters, watts=0.0)


@pytest.fixture
def directory(tmp_path, make_job):
    """A run that has ended, of ten steps in ten seconds."""
    (tmp_path / "job.json").write_text(json.dumps(make_job().to_json_object()))
    lines = [
        {"step": n, "time": START + n, "loss": 1.0 / n, "watts": 5.0, "joules": 5.0 * n, "samplesPerSecond": 100.0}
        for n in range(1, 11)
    ]
    lines[4]["validation"] = {"step": 5, "loss": 0.5, "accuracy": 0.9}
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    event = {"time": "2026-01-01T00:00:01Z", "type": "Normal", "reason": "JobAdmitted", "message": "it may run"}
    (tmp_path / "events.jsonl").write_text(json.dumps(event) + "\n" + '{"time": "2026-01')
    write_status(tmp_path, energy("model"))
    return tmp_path


def write_status(directory, used, state="Complete", began=BEGAN):
    ended = began.replace(second=11) if state == "Complete" else None
    progress = Progress(step=10, total_steps=10, loss=0.1)
    conditions = (Condition("Suspended", "True", "UserRequest", BEGAN),) if state == "Suspended" else ()
    status = TrainingJobStatus(
        state=state, conditions=conditions, start_time=began, completion_time=ended, energy=used, progress=progress
    )
    (directory / "status.json").write_text(json.dumps(status.to_json_object()))


def query(source, text, time=START + 10.0):
    answer = json.loads(source.ask("query", {"query": [text], "time": [str(time)]}).body)
    return answer if answer["status"] == "error" else [float(each["value"][1]) for each in answer["data"]["result"]]


def test_recorded_steps_are_series_over_time(directory):
    source = RunSource([directory])
    parameters = {
        "query": ["max(wattrain_trainingjob_loss)"],
        "start": [str(START)],
        "end": [str(START + 4)],
        "step": ["1"],
    }
    [series] = json.loads(source.ask("query_range", parameters).body)["data"]["result"]
    assert [[time - START, float(value)] for time, value in series["values"]] == [
        [1.0, 1.0], [2.0, 0.5], [3.0, 1 / 3], [4.0, 0.25],
    ]  # fmt: skip
    assert query(source, "wattrain_trainingjob_validation_accuracy_ratio") == [0.9]
    assert query(source, 'sum by (source) (rate(wattrain_trainingjob_energy_joules_total{source="model"}[4s]))') == [
        5.0
    ]


def test_bounds_are_in_proportion_to_those_of_the_whole_run(directory):
    source = RunSource([directory])
    assert query(source, "rate(wattrain_trainingjob_energy_low_joules_total[4s])") == [2.5]
    assert query(source, "rate(wattrain_trainingjob_energy_high_joules_total[4s])") == [10.0]


def test_of_several_meters_only_the_sum_is_recorded(directory):
    write_status(directory, energy("nvml", "rapl"))
    source = RunSource([directory])
    assert query(source, "sum(rate(wattrain_trainingjob_energy_joules_total[4s]))") == [5.0]
    refused = query(source, "max by (component) (wattrain_trainingjob_energy_joules_total)")
    assert (refused["errorType"], "summed up over component" in refused["error"]) == ("needs_prometheus", True)


def test_the_last_status_is_known_at_the_end_alone(directory):
    source = RunSource([directory])
    end = source.about().end
    assert query(source, "wattrain_trainingjob_workers_desired", end) == [0.0]
    assert query(source, 'wattrain_trainingjob_state{state="Complete"}', end) == [1.0]
    parameters = {
        "query": ["wattrain_trainingjob_workers_desired"],
        "start": [str(START)],
        "end": [str(end)],
        "step": ["1"],
    }
    assert json.loads(source.ask("query_range", parameters).body)["data"]["result"] == []


@pytest.mark.parametrize("digits", [0.1234564, 0.1234567])
@pytest.mark.parametrize("lines", range(1, 8))
def test_the_last_status_is_the_end_where_a_line_has_more_digits_than_a_microsecond(directory, lines, digits):
    with (directory / "metrics.jsonl").open("a") as file:
        for n in range(11, 11 + lines):
            file.write(json.dumps({"step": n, "time": START + n + digits, "joules": 49.0}) + "\n")
    source = RunSource([directory])
    end = source.about().end
    assert query(source, "wattrain_trainingjob_energy_joules_total", end) == [50.0]
    assert query(source, 'wattrain_trainingjob_state{state="Complete"}', end) == [1.0]


def test_a_run_that_goes_on_is_read_on(directory):
    write_status(directory, energy("model"), state="Running")
    source = RunSource([directory])
    assert (source.about().end, source.about().start) == (None, START)
    with (directory / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 11, "time": START + 11, "loss": 0.01}) + "\n")
    assert query(source, "wattrain_trainingjob_loss", START + 11.5) == [0.01]
    write_status(directory, energy("model"))
    assert source.about().end is not None


def test_a_line_that_is_newer_than_the_status_counts(directory):
    write_status(directory, energy("model"), state="Running")
    written = (directory / "status.json").stat().st_mtime
    with (directory / "metrics.jsonl").open("a") as file:
        for n in (1, 2, 3):
            file.write(json.dumps({"step": 20 + n, "time": written + n, "joules": 60.0 + n}) + "\n")
    source = RunSource([directory])
    asked = "wattrain_trainingjob_energy_joules_total"
    assert [query(source, asked, written + n) for n in (1, 2, 3)] == [[61.0], [62.0], [63.0]]


def test_a_run_that_nobody_runs_any_more_is_as_it_was_last_heard_of(directory):
    write_status(directory, energy("model"), state="Running")
    os.utime(directory / "status.json", (START + 8.5, START + 8.5))
    running = RunDirectory.open(directory, wait_seconds=0)
    source = RunSource([directory])
    assert (source.about().end, source.about().jobs[0].silent_since) == (None, None)
    running.close()  # as the kernel does it for a command that was killed
    [job] = source.about().jobs
    assert (source.about().end, job.silent_since) == (START + 10, START + 10)  # the last line is newer than the status
    assert job.resumes == f"wattrain run {directory / 'job.json'} --dir {directory}"
    assert query(source, "wattrain_trainingjob_loss", time=START + 10) == [0.1]
    RunDirectory.open(directory, wait_seconds=0).close()  # the look has left no lock behind
    with contextlib.closing(RunDirectory.open(directory, wait_seconds=0)):  # it is gone on with
        assert (source.about().end, source.about().jobs[0].silent_since) == (None, None)


@pytest.mark.parametrize("state", ["Complete", "Suspended"])
def test_a_run_that_said_how_it_ended_is_not_silent(directory, state):
    write_status(directory, energy("model"), state=state)
    RunDirectory.open(directory, wait_seconds=0).close()
    [job] = RunSource([directory]).about().jobs
    assert job.silent_since is None


def test_who_asks_for_the_present_of_a_run_gets_its_newest_status(directory):
    write_status(directory, energy("model"), state="Running")
    source, written = RunSource([directory]), (directory / "status.json").stat().st_mtime
    assert query(source, 'wattrain_trainingjob_state{state="Running"}', written - 3.0) == [1.0]
    assert query(source, 'wattrain_trainingjob_state{state="Running"}', written - 300.0) == []


def test_events_and_receipt_are_there_without_half_a_line(directory):
    source = RunSource([directory])
    [story] = source.about().jobs
    assert ([event.reason for event in story.events], story.has_receipt) == (["JobAdmitted"], False)
    assert source.receipt(story.namespace, story.name) is None
    (directory / "receipt.html").write_text("<p>")
    assert source.receipt(story.namespace, story.name) == b"<p>"
    assert source.receipt("other", story.name) is None
    assert source.about().jobs[0].has_receipt


def test_a_run_that_ended_long_before_another_is_still_there(directory, tmp_path_factory):
    later = tmp_path_factory.mktemp("later") / "run"
    shutil.copytree(directory, later)
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    hour = "".join(json.dumps({**line, "time": line["time"] + 3600}) + "\n" for line in lines)
    (later / "metrics.jsonl").write_text(hour)
    write_status(later, energy("model"), began=BEGAN.replace(hour=1))
    source = RunSource([directory, later])
    assert query(source, "wattrain_trainingjob_loss", time=source.about().end) == [0.1, 0.1]
    assert query(source, "sum(wattrain_trainingjob_energy_joules_total)", time=source.about().end) == [100.0]
    assert query(source, "wattrain_trainingjob_loss", time=START + 5) == [0.2]
    found = source.ask("label/trainingjob/values", {"match[]": ["wattrain_trainingjob_state"]})
    assert json.loads(found.body)["data"] == sorted(map(str, [directory, later]))


def test_two_runs_of_the_same_job_are_called_by_their_directories(directory, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "run (2)"
    shutil.copytree(directory, other)
    (other / "receipt.html").write_text("of the other")
    source = RunSource([directory, other])
    called = [str(directory), str(other).replace("run (2)", "run__2_")]
    assert [job.name for job in source.about().jobs] == called
    for name in called:
        assert query(source, f'wattrain_trainingjob_loss{{trainingjob=~"{name}"}}') == [0.1]
    assert source.receipt(source.about().jobs[1].namespace, called[1]) == b"of the other"
    assert RunSource([other]).about().jobs[0].name == "demo"


def test_jobs_are_found_by_their_labels(directory):
    answer = RunSource([directory]).ask("label/trainingjob/values", {"match[]": ["wattrain_trainingjob_state"]})
    assert json.loads(answer.body)["data"] == ["demo"]
    answer = RunSource([directory]).ask("label/cluster/values", {"match[]": ["wattrain_trainingjob_state"]})
    assert json.loads(answer.body)["data"] == []


@pytest.mark.parametrize(("parameters", "told"), [
    ({"query": ["a"], "start": ["0"], "end": ["1e9"], "step": ["1"]}, "too many points"),
    ({"query": ["a"], "start": ["0"], "end": ["1"], "step": ["0"]}, "too many points"),
    ({"query": ["a"], "start": ["nan"], "end": ["1"], "step": ["1"]}, "is no moment"),
    ({"query": ["a"]}, "could not convert"),
])  # fmt: skip
def test_a_bad_question_gets_a_reason(directory, parameters, told):
    answer = RunSource([directory]).ask("query_range", parameters)
    assert (answer.status, told in json.loads(answer.body)["error"]) == (400, True)


def test_a_directory_that_holds_no_run_is_named(tmp_path):
    with pytest.raises(Refused, match=r"holds no run; give the directory that `wattrain run` names"):
        RunSource([tmp_path])
