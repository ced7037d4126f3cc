"""What people and programs are shown, on a fixed status."""

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from wattrain_api.status import (
    CheckpointStatus,
    EnergyStatus,
    Meter,
    Metrics,
    ModelStatus,
    Progress,
    Restart,
    TrainingJobStatus,
)
from wattrain_operator.cli import figures
from wattrain_operator.cli.plot import braille
from wattrain_operator.cli.view_json import JsonView
from wattrain_operator.cli.view_live import LiveView, frame
from wattrain_operator.cli.view_plain import PlainView, status_line
from wattrain_operator.core.observed import Event
from wattrain_operator.local.curve import KEPT_POINTS, LossCurve
from wattrain_operator.local.look import Look, Opening, Result

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ENERGY = EnergyStatus(
    joules=88.0, low=31.0, high=194.0, watts=6.2, source="model", carbon_grams=0.012, cost=0.00001, currency="EUR",
    meters=(Meter(component="cpu", source="model", joules=88.0),),
)  # fmt: skip
RESTART = Restart(
    time=NOW, attempt=1, rank=1, reason="Killed", exit_code=-9, step=120, resumed_from_step=100, joules_lost=6.5
)
STATUS = TrainingJobStatus(
    state="Running", attempt=2, restart_count=1, restarts=(RESTART,), energy=ENERGY, start_time=NOW,
    checkpoint=CheckpointStatus(step=100),
    progress=Progress(
        phase="training", step=120, total_steps=690, epoch=5, loss=0.3123456, eta_seconds=75.0,
        samples_per_second=41000.0, validation=Metrics(step=115, loss=0.2, accuracy=0.951),
    ),
)  # fmt: skip
PROGRESS = {
    "step": 120, "totalSteps": 690, "epoch": 5, "epochs": 30, "loss": 0.3123456,
    "validation": {"step": 115, "loss": 0.2, "accuracy": 0.951},
    "group": {"samplesPerSecond": 41000.0, "watts": 6.2, "workers": [
        {"worker": 0, "watts": 3.1, "source": "model"}, {"worker": 1, "watts": 3.1, "source": "model"}]},
}  # fmt: skip
COMPLETE = STATUS.model_copy(
    update={
        "state": "Complete",
        "completion_time": NOW + timedelta(seconds=83),
        "model": ModelStatus(uri="runs/demo/model", metrics=Metrics(step=690, loss=0.11, accuracy=0.9722)),
    }
)
RESULT = Result(COMPLETE, 0, ("complete: all 2 workers are done",), Path("runs/demo/receipt.md"))


@pytest.fixture
def opening(make_job):
    return Opening(make_job(), Path("runs/demo"), "http://127.0.0.1:9/metrics", resumed=False, notes=("a [note]",))


def test_plain_has_a_line_a_second_at_most_and_one_for_every_event(opening):
    clock = [0.0]
    stream = io.StringIO()
    view = PlainView(stream, lambda: clock[0])
    view.begin(opening)
    for tenth in range(30):
        clock[0] = tenth / 10
        progress = STATUS.progress.model_copy(update={"step": tenth})
        view.show(Look(STATUS.model_copy(update={"progress": progress})))
    view.tell(Event("Warning", "WorkersRestarted", "rank 1 failed"))
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["demo starts in runs/demo; metrics: http://127.0.0.1:9/metrics", "note: a [note]"]
    assert [line.split("  ")[2] for line in lines[2:-1]] == ["step 0/690", "step 10/690", "step 20/690"]
    assert lines[-1] == "0:03  warning: WorkersRestarted: rank 1 failed"


def test_plain_says_nothing_twice(opening):
    clock, stream = [0.0], io.StringIO()
    view = PlainView(stream, lambda: clock[0])
    for second in range(5):
        clock[0] = float(second)
        view.show(Look(STATUS))
    assert len(stream.getvalue().splitlines()) == 1


def test_the_status_line_has_every_figure_with_its_unit_and_source():
    assert status_line(STATUS) == (
        "Running  step 120/690  epoch 5  loss 0.3123  validation accuracy 0.951  41,000 samples/s  "
        "6.2 W, 88 J modelled  1 restart  1:15 left"
    )
    assert status_line(TrainingJobStatus()) == "Pending"


def test_the_summary_tells_result_energy_restarts_and_where_the_receipt_is():
    stream = io.StringIO()
    PlainView(stream).end(RESULT)
    text = stream.getvalue()
    for said in (
        "complete: all 2 workers are done",
        "test     accuracy 0.9722, loss 0.11",
        "energy   88 J (31 J to 194 J), modelled",
        "carbon   0.012 g CO2e",
        "cost     1e-05 EUR",
        "time     1:23",
        "restarts 1, 0 J lost; the last: rank 1: Killed, exit code -9 at step 120, went on from step 100, 6.5 J lost",
        "receipt  runs/demo/receipt.md",
    ):
        assert said in text


def test_json_is_one_object_a_line_and_a_status_only_when_it_changed(opening):
    stream = io.StringIO()
    view = JsonView(stream)
    view.begin(opening)
    view.show(Look(STATUS))
    view.show(Look(STATUS))
    view.tell(Event("Normal", "TrainingComplete", "done"))
    view.end(RESULT)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["type"] for line in lines] == ["start", "status", "event", "result"]
    assert lines[0]["metricsUrl"] == "http://127.0.0.1:9/metrics"
    assert lines[1]["status"] == STATUS.to_json_object()
    assert (lines[3]["exitCode"], lines[3]["state"], lines[3]["receipt"]) == (0, "Complete", "runs/demo/receipt.md")


def rendered(renderable, width=100):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(renderable)
    return console.file.getvalue()


def test_the_live_block_shows_state_curve_watts_by_source_joules_and_restarts(opening):
    losses = [(step, 2.3 * 0.97**step) for step in range(1, 121)]
    text = rendered(frame(Look(STATUS, PROGRESS, losses), opening, 100))
    for said in (
        "Running  step 120 of 690  epoch 5 of 30  1:15 left",
        f"{losses[0][1]:.4g} ",
        f"{losses[-1][1]:.4g} ",
        "loss 0.2, accuracy 0.9510",
        "41,000 samples/s",
        "6.2 W: worker 0 3.1 W modelled, worker 1 3.1 W modelled",
        "88 J (31 J to 194 J), modelled",
        "rank 1: Killed, exit code -9 at step 120, went on from step 100, 6.5 J lost",
        "http://127.0.0.1:9/metrics",
    ):
        assert said in text
    assert any(0x2800 < ord(character) < 0x2900 for character in text)


@pytest.mark.parametrize("width", [20, 80, 300])
def test_the_live_block_fits_any_terminal_before_and_after_the_first_step(opening, width):
    losses = [(1, 0.5), (2, 0.5)]
    for look in (Look(TrainingJobStatus(message="the data is being prepared")), Look(STATUS, PROGRESS, losses)):
        assert all(len(line) <= width for line in rendered(frame(look, opening, width), width).splitlines())


def test_the_live_view_takes_text_for_text_and_ends_with_the_summary(opening):
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    view = LiveView(console)
    view.begin(opening)
    view.show(Look(STATUS, PROGRESS))
    view.tell(Event("Warning", "WorkersRestarted", "last line [/bold] [red]"))
    view.end(RESULT)
    view.close()
    text = console.file.getvalue()
    assert "last line [/bold] [red]" in text
    assert "a [note]" in text
    assert "accuracy 0.9722" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is back


def test_a_falling_curve_goes_from_the_upper_left_to_the_lower_right():
    rows = braille([(x, 10.0 - x) for x in range(11)], 10, 3)
    assert [len(row) for row in rows] == [10, 10, 10]
    dots = [[i for i, c in enumerate(row) if ord(c) != 0x2800] for row in rows]
    assert dots[0][0] == 0
    assert dots[2][-1] == 9
    assert max(dots[0]) < max(dots[1]) < max(dots[2])


def test_a_loss_that_falls_by_orders_of_magnitude_is_drawn_on_a_logarithmic_axis(opening):
    falling = [(step, 10.0**-step) for step in range(6)]
    assert "step 0, log scale" in rendered(frame(Look(STATUS, PROGRESS, falling), opening, 100))
    assert "log scale" not in rendered(frame(Look(STATUS, PROGRESS, [(0, 2.0), (9, 1.0)]), opening, 100))
    assert "log scale" not in rendered(frame(Look(STATUS, PROGRESS, [(0, 2.0), (9, -1.0)]), opening, 100))


def test_the_last_frame_keeps_what_was_said_last_when_no_worker_speaks_any_more(opening):
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    view = LiveView(console)
    view.begin(opening)
    view.show(Look(STATUS, PROGRESS))
    view.show(Look(STATUS))
    suspended = STATUS.model_copy(update={"state": "Suspended"})
    before = len(console.file.getvalue())
    view.end(Result(suspended, 130, ("stopped",)))
    assert "Suspended" in console.file.getvalue()[before:]
    assert "step 120 of 690" in console.file.getvalue()[before:]


def test_flat_and_single_and_missing_points_are_drawn_too():
    assert braille([], 4, 2) == ["\u2800" * 4] * 2
    assert braille([(5, 1.0)], 4, 1) != ["\u2800" * 4]
    assert braille([(0, 1.0), (9, 1.0)], 4, 1)[0][0] != "\u2800"


def test_the_curve_reads_on_and_lets_a_restart_replace_what_it_repeats(tmp_path):
    file = tmp_path / "metrics.jsonl"
    curve = LossCurve(file)
    curve.read_on()
    assert curve.points == []
    file.write_text('{"step": 1, "loss": 3}\n{"step": 2, "loss": 2}\n{"step": 3, "lo')
    curve.read_on()
    assert curve.points == [(1, 3.0), (2, 2.0)]
    with file.open("a") as stream:
        stream.write('ss": 1}\nbroken\n{"step": 2, "loss": 2.5}\n')
    curve.read_on()
    assert curve.points == [(1, 3.0), (2, 2.5)]


def test_a_long_curve_is_thinned_out_evenly(tmp_path):
    file = tmp_path / "metrics.jsonl"
    steps = KEPT_POINTS * 2 + 10
    file.write_text("".join(f'{{"step": {step}, "loss": 1.0}}\n' for step in range(steps)))
    curve = LossCurve(file)
    curve.read_on()
    assert KEPT_POINTS / 2 < len(curve.points) <= KEPT_POINTS
    assert curve.points[0][0] < 4
    assert curve.points[-1][0] > steps - 8
    gaps = {b[0] - a[0] for a, b in zip(curve.points, curve.points[1:], strict=False)}
    assert max(gaps) <= 8


@pytest.mark.parametrize(
    ("joules", "shown"), [(0.5, "0.5 J"), (999, "999 J"), (1500, "1.5 kJ"), (3.6e6, "1 kWh"), (7.2e5, "0.2 kWh")]
)
def test_energy_has_the_prefix_that_keeps_it_short(joules, shown):
    assert figures.joules(joules) == shown


def test_mixed_sources_show_which_share_is_measured():
    mixed = ENERGY.model_copy(update={"source": "nvml+model", "measured_ratio": 0.75})
    assert figures.energy(mixed).endswith("measured by NVML and modelled, 75% of it measured")
    assert figures.energy(EnergyStatus()) == "not known yet"
