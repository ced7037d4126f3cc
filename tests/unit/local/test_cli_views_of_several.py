"""What people and programs are shown of several jobs, on fixed statuses."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Progress as Spoken
from wattrain_api.status import EnergyStatus, Meter, Progress, QueueStatus, TrainingJobStatus
from wattrain_operator.cli.live_block import frame, frame_of_several
from wattrain_operator.cli.view_json import JsonView
from wattrain_operator.cli.view_live import LiveView
from wattrain_operator.cli.view_plain import PlainView
from wattrain_operator.core.observed import Event
from wattrain_operator.local.view_model import Opening, Result, ViewModel

URL = "http://127.0.0.1:9/metrics"
QUEUED = TrainingJobStatus(
    state="Queued", message="waits for a place: maxRunningJobs 1 of power domain default",
    queue=QueueStatus(position=1, held_by="local/high"),
)  # fmt: skip
RUNNING = TrainingJobStatus(
    state="Running",
    progress=Progress(phase="training", step=30, total_steps=120, loss=0.5),
    energy=EnergyStatus(joules=12.0, watts=6.0, source="model", meters=(Meter("cpu", "model", joules=12.0),)),
)
SPOKEN = Spoken(phase=Phase.TRAINING, step=30, total_steps=120)
COMPLETE = replace(RUNNING, state="Complete")
FALLING = [(step, 1.0 / step) for step in range(1, 31)]
WAITS = "position 1  waits for a place: maxRunningJobs 1 of power domain default  held by high"


@pytest.fixture
def openings(make_job):
    def named(name, *notes):
        job = make_job()
        job = job.model_copy(update={"metadata": job.metadata.model_copy(update={"name": name})})
        return Opening(job, Path("runs") / name, URL, resumed=False, notes=notes)

    return [named("high", "of all"), named("low", "of all", "of low")]


def rendered(renderable, width=140):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(renderable)
    return console.file.getvalue()


def test_plain_names_the_job_of_every_line_and_what_a_job_in_the_queue_waits_for(openings):
    clock, stream = [0.0], io.StringIO()
    view = PlainView(stream, lambda: clock[0])
    view.begin(openings)
    view.show("high", ViewModel(RUNNING))
    view.show("low", ViewModel(QUEUED))
    clock[0] = 5.0
    view.event("high", Event("Normal", "TrainingComplete", "done"))
    view.end("high", Result(COMPLETE, 0, ("complete: done",)))
    assert stream.getvalue().splitlines() == [
        f"high starts in runs/high; metrics: {URL}",
        f"low starts in runs/low; metrics: {URL}",
        "note: of all",
        "note: low: of low",
        "0:00  high  Running  step 30/120  loss 0.5  6.0 W, 12 J modelled",
        f"0:00  low   Queued  {WAITS}",
        "0:05  high  TrainingComplete: done",
        "high: complete: done",
        "  steps    30 of 120",
        "  loss     0.5",
        "  energy   12 J (0 J to 0 J), modelled",
    ]


def test_plain_holds_a_line_back_for_the_news_of_its_own_job_alone(openings):
    clock, stream = [0.0], io.StringIO()
    view = PlainView(stream, lambda: clock[0])
    view.begin(openings)
    for tenth in range(21):
        clock[0] = tenth / 10
        for job in ("high", "low"):
            view.show(job, ViewModel(replace(RUNNING, progress=replace(RUNNING.progress, step=tenth))))
    shown = [line.split("  ")[1:4:2] for line in stream.getvalue().splitlines()[4:]]
    assert [job for job, *_ in shown] == ["high", "low"] * 3


def test_the_block_of_a_job_alone_that_waits_says_what_for_too(openings):
    assert rendered(frame(ViewModel(QUEUED), openings[1], 140)).startswith(f"Queued  {WAITS}\n")


def test_the_live_block_has_a_line_for_each_job_and_the_curve_of_the_only_one_that_trains(openings):
    high, low = openings
    text = rendered(
        frame_of_several([("high", ViewModel(RUNNING, SPOKEN, FALLING), high), ("low", ViewModel(QUEUED), low)], 140)
    )
    assert text.startswith("high  Running  step 30/120  loss 0.5  6.0 W, 12 J modelled\n")
    assert f"\nlow   Queued  {WAITS}\n" in text
    assert "step 1" in text  # at the axis of the curve
    assert text.count(URL) == 1
    both = [(name, ViewModel(RUNNING, SPOKEN, FALLING), high) for name in ("high", "low")]
    assert "loss step" not in rendered(frame_of_several(both, 140))


@pytest.mark.parametrize("width", [20, 80, 300])
def test_the_block_of_several_jobs_fits_any_terminal(openings, width):
    jobs = [("high", ViewModel(RUNNING, SPOKEN, FALLING), openings[0]), ("low", ViewModel(QUEUED), openings[1])]
    assert all(len(line) <= width for line in rendered(frame_of_several(jobs, width), width).splitlines())
    assert rendered(frame_of_several([], width), width).strip() == ""


def test_the_live_view_goes_on_while_a_job_is_left_and_gives_the_cursor_back_after_the_last(openings):
    console = Console(file=io.StringIO(), width=140, force_terminal=True)
    clock = [0.0]
    view = LiveView(console, lambda: clock[0])

    def text_of(step):
        clock[0] += 1
        before = len(console.file.getvalue())
        step()
        return console.file.getvalue()[before:]

    view.begin(openings)
    assert "high: crashed" in text_of(
        lambda: view.end("high", Result(RUNNING, 1, ("crashed",)))
    )  # shown by nothing yet
    shown = text_of(lambda: view.show("low", ViewModel(QUEUED)))
    assert "Queued" in shown
    assert "high  " not in shown
    assert "low: Started: now" in text_of(lambda: view.event("low", Event("Normal", "Started", "now")))
    last = text_of(lambda: view.end("low", Result(COMPLETE, 0, ("complete: done",))))
    assert "low: complete: done" in last
    assert "\x1b[?25h" in last


def test_the_live_view_says_of_jobs_that_are_over_already_only_how_they_ended(openings):
    console = Console(file=io.StringIO(), width=140, force_terminal=True)
    view = LiveView(console)
    view.end("old", Result(COMPLETE, 0, ("old is complete already",)))
    view.begin(openings[:1])
    view.show("high", ViewModel(RUNNING, SPOKEN, FALLING))
    view.end("high", Result(COMPLETE, 0, ("complete: done",)))
    text = console.file.getvalue()
    assert text.index("old is complete already") < text.index("high starts in runs/high")
    assert "high: complete" not in text  # alone it needs no name


def test_every_line_of_json_has_the_name_of_its_job(openings):
    stream = io.StringIO()
    view = JsonView(stream)
    view.begin(openings)
    for _ in range(2):
        view.show("high", ViewModel(RUNNING))
        view.show("low", ViewModel(QUEUED))
    view.event("low", Event("Normal", "Queued", "waits"))
    view.end("high", Result(COMPLETE, 0, ("complete: done",)))
    found = [(line["type"], line["job"]) for line in map(json.loads, stream.getvalue().splitlines())]
    assert found == [
        ("start", "high"), ("start", "low"), ("status", "high"), ("status", "low"), ("event", "low"),
        ("result", "high"),
    ]  # fmt: skip
