"""Traces that others publish, in excerpts made for these tests: the columns are as published, the jobs are made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from wattrain_operator.cli.app import app
from wattrain_operator.policies.job_trace import TraceError, TraceJob, read_trace, to_line
from wattrain_operator.policies.published_job import LeftOut
from wattrain_operator.policies.published_traces import Publisher, convert


def span(start: str | None, end: str | None, *servers: int) -> dict[str, Any]:
    detail = [{"ip": f"m{n}", "gpus": [f"gpu{k}" for k in range(gpus)]} for n, gpus in enumerate(servers)]
    return {"start_time": start, "end_time": end, "detail": detail}


def philly(jobid: str, *attempts: dict[str, Any], submitted: str = "2017-10-07 01:00:00") -> dict[str, Any]:
    return {
        "status": "Pass", "vc": "ee9e8c", "jobid": jobid, "attempts": list(attempts), "submitted_time": submitted,
        "user": "ce2f4c",
    }  # fmt: skip


PHILLY = json.dumps([
    philly("retried", span("2017-10-07 01:10:00", "2017-10-07 01:11:00", 2),
           span("2017-10-07 01:12:00", "2017-10-07 02:12:00", 8, 8)),
    philly("first", span("2017-10-07 00:30:00", "2017-10-07 00:40:00", 1), submitted="2017-10-07 00:30:00"),
    philly("queued"),
    philly("runs", span("2017-10-07 01:00:00", None, 1)),
    philly("unlogged", span(None, "None", 1)),
])  # fmt: skip
HELIOS = """job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue
7,ua,vcx,16,64,2,COMPLETED,2020-06-09 18:41:01,2020-06-09 18:42:01,2020-06-09 19:42:01,3600,60
8,ub,vcx,0,4,1,FAILED,2020-06-09 18:41:27,2020-06-09 18:41:27,2020-06-09 18:45:36,249,0
"""
ALIBABA_2020 = """many,ps,1.0,Terminated,100.0,500.0,600.0,29.3,,
many,worker,4.0,Terminated,120.0,480.0,600.0,29.3,50.0,T4
many,evaluator,1.0,Failed,400.0,500.0,600.0,29.3,100.0,T4
waits,worker,1.0,Waiting,,,600.0,29.3,100.0,T4
runs,worker,1.0,Running,100.0,,600.0,29.3,100.0,T4
cpus,worker,1.0,Terminated,100.0,200.0,600.0,29.3,,
"""
ALIBABA_2023 = """name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,\
scheduled_time
whole,88000,327680,8,1000,,Burstable,Succeeded,1000,5000,1400
part,4000,15258,1,220,,BE,Running,900,1900,900
none,4000,15258,0,0,,BE,Running,900,1900,900
pending,4000,15258,1,1000,,BE,Pending,900,1900,
"""


def found(text: str, publisher: Publisher, **more: Any) -> list[TraceJob]:
    return convert(text.splitlines(keepends=True), publisher, 300.0, **more).jobs


def test_a_job_of_philly_ran_as_long_as_its_attempts_on_the_most_gpus_of_one() -> None:
    jobs = convert([PHILLY], "philly", 300.0)
    assert jobs.jobs == [
        TraceJob("first", "ee9e8c", 0, 1, 300, 600),
        TraceJob("retried", "ee9e8c", 1800, 2, 8 * 300, 60 + 3600),
    ]
    assert jobs.left_out == {LeftOut.NEVER_RAN: 2, LeftOut.STILL_RAN: 1}


def test_a_job_of_helios_has_its_nodes_as_workers() -> None:
    assert found(HELIOS, "helios") == [TraceJob("7", "vcx", 0, 2, 8 * 300, 3600)]


def test_a_job_of_alibaba_2020_is_all_its_tasks_on_gpus() -> None:
    header = "job_name,task_name,inst_num,status,start_time,end_time,plan_cpu,plan_mem,plan_gpu,gpu_type\n"
    for text in (ALIBABA_2020, header + ALIBABA_2020):
        jobs = convert(text.splitlines(), "alibaba-2020", 300.0)
        assert jobs.jobs == [TraceJob("many", "alibaba", 0, 5, 3 * 300 / 5, 500 - 120)]
        assert jobs.left_out == {LeftOut.NEVER_RAN: 1, LeftOut.STILL_RAN: 1, LeftOut.WITHOUT_GPU: 1}


def test_a_pod_of_alibaba_2023_has_its_part_of_a_gpu() -> None:
    jobs = convert(ALIBABA_2023.splitlines(), "alibaba-2023", 300.0, deadline_seconds=7200.0)
    assert jobs.jobs == [
        TraceJob("part", "alibaba", 0, 1, 66, 1000, deadline_seconds=7200),
        TraceJob("whole", "alibaba", 100, 1, 2400, 3600, deadline_seconds=7200),
    ]
    assert jobs.left_out == {LeftOut.WITHOUT_GPU: 1, LeftOut.NEVER_RAN: 1}


def test_what_is_written_is_read_as_the_same_jobs() -> None:
    jobs = [
        *found(ALIBABA_2023, "alibaba-2023", deadline_seconds=7200.0),
        TraceJob("a", "b", 200.5, 1, 1.25, 2.0, priority=-3),
    ]
    assert read_trace(map(to_line, jobs)) == jobs


@pytest.mark.parametrize(
    ("publisher", "text", "sentence"),
    [
        ("helios", "a,b\n1,2\n", "line 1: there is no column job_id; give the file as it was published"),
        ("helios", HELIOS + "9,ua,vcx,1\n", "line 4: has 4 of at least 11 fields"),
        ("helios", HELIOS.replace(",16,", ",many,"), "line 2: gpu_num is 'many', and no number from 0 on"),
        ("helios", HELIOS.replace("3600,60", "nan,60"), "line 2: duration is 'nan'"),
        ("helios", HELIOS.replace("2020-06-09 18:41:01", "yesterday"), "line 2: submit_time is 'yesterday'"),
        ("helios", HELIOS + '"9,ua', "line 4: is no CSV"),
        ("helios", HELIOS.replace(",16,", ",0,"), r"no job in it that ran on a GPU \(2 without a GPU\)"),
        ("alibaba-2020", ALIBABA_2020.replace("120.0", "soon"), "line 2: start_time is 'soon'"),
        ("alibaba-2023", ALIBABA_2023.replace("1400", "-1"), "line 2: scheduled_time is '-1'"),
        ("philly", "[{", "is no JSON .*line 1"),
        ("philly", "{}", "is no JSON list"),
        ("philly", json.dumps([{**philly("a"), "attempts": 3}]), "job 1: attempts: .*correct or remove the job"),
        ("philly", json.dumps([philly("a", submitted="noon")]), "job 1: submitted_time is 'noon'"),
        ("philly", "[]", "there is no job in it that ran on a GPU; give another file"),
    ],
)
def test_what_is_no_such_trace_is_refused_with_its_place(publisher: Publisher, text: str, sentence: str) -> None:
    with pytest.raises(TraceError, match=sentence):
        found(text, publisher)


def test_the_command_asks_for_watts_writes_a_trace_and_says_what_it_left_out(tmp_path: Path) -> None:
    file, to = tmp_path / "pods.csv", tmp_path / "jobs.jsonl"
    file.write_text(ALIBABA_2023)
    command = ["trace", "convert", str(file), "--from", "alibaba-2023"]
    assert CliRunner().invoke(app, command).exit_code == 2
    answer = CliRunner().invoke(app, [*command, "--watts-per-gpu", "300", "--deadline-hours", "2", "--to", str(to)])
    assert answer.stdout == f"{to}: 2 jobs; left out: 1 without a GPU, 1 never started\n"
    assert len(read_trace(to.read_text().splitlines())) == 2
    assert len(CliRunner().invoke(app, [*command, "--watts-per-gpu", "300"]).stdout.splitlines()) == 2
    wrong = CliRunner().invoke(app, ["trace", "convert", str(file), "--from", "helios", "--watts-per-gpu", "300"])
    assert (wrong.exit_code, "pods.csv: line 1: there is no column job_id" in wrong.stderr) == (2, True)
