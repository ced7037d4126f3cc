"""What a notebook is shown of a run: one place that changes, and lines for what happens."""

import io
from dataclasses import replace
from pathlib import Path

from wattrain.notebook_view import NotebookView, view_for_here
from wattrain_api.status import ModelStatus, Progress, TrainingJobStatus
from wattrain_operator.cli.view_plain import PlainView
from wattrain_operator.core.observed import Event
from wattrain_operator.local.view_model import Opening, Result, ViewModel


class Notebook:
    """Keeps what is shown, and what took its place."""

    def __init__(self):
        self.places, self.updates = [], 0

    def display(self, data):
        self.places.append(data)
        return self

    def update(self, data, *, raw):
        assert raw
        self.places[-1] = data
        self.updates += 1


def status(step):
    return TrainingJobStatus(state="Running", progress=Progress(phase="training", step=step, total_steps=90, loss=0.5))


def test_steps_change_one_place_at_most_twice_a_second_and_events_are_lines(make_job):
    notebook, stream, clock = Notebook(), io.StringIO(), [0.0]
    view = NotebookView(stream, notebook.display, lambda: clock[0])
    view.begin([Opening(make_job(), Path("runs/<b>"), "http://h:1/metrics", resumed=False)])
    for tenth in range(41):
        clock[0] = tenth / 10
        view.show("demo", ViewModel(status(tenth)))
    view.event("demo", Event("Warning", "WorkersRestarted", "rank 1 failed"))
    assert (len(notebook.places), notebook.updates) == (1, 8)
    view.show("demo", ViewModel(status(41)))
    view.end("demo", Result(replace(status(41), model=ModelStatus(uri="m")), 0, ("complete: done",)))
    assert "step 41/90" in notebook.places[0]["text/plain"]  # the last is shown, however soon it came
    assert '<progress value="41" max="90">' in notebook.places[0]["text/html"]
    lines = stream.getvalue()
    assert "step 40/90" not in lines
    assert "warning: WorkersRestarted: rank 1 failed" in lines
    assert "complete: done" in lines


def test_what_is_shown_cannot_become_markup(make_job):
    notebook = Notebook()
    view = NotebookView(io.StringIO(), notebook.display)
    view.begin([Opening(make_job(), Path("runs/demo"), "", resumed=False)])
    view.show("demo", ViewModel(TrainingJobStatus(state="Queued", message="waits for <script>")))
    assert "<script" not in notebook.places[0]["text/html"]


def test_outside_of_a_kernel_there_are_plain_lines():
    assert isinstance(view_for_here(io.StringIO()), PlainView)
