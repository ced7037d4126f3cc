"""What people and programs are shown, on a fixed status."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter
from rich.console import Console

from wattrain_api.contract import progress as contract
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Evaluation, GroupProgress, WorkerSummary
from wattrain_api.facts.prepared import to_prepared
from wattrain_api.status import (
    CheckpointStatus,
    EnergyStatus,
    Internal,
    Meter,
    Metrics,
    ModelStatus,
    PreparedSamples,
    Progress,
    Restart,
    TrainingJobStatus,
    UncountedEnergy,
)
from wattrain_api.training import MetricName, Training
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.cli import figures
from wattrain_operator.cli.braille_plot import braille
from wattrain_operator.cli.live_block import frame
from wattrain_operator.cli.shown_metrics import metrics, metrics_in_a_line
from wattrain_operator.cli.status_line import status_line
from wattrain_operator.cli.view_json import JsonView
from wattrain_operator.cli.view_live import LiveView
from wattrain_operator.cli.view_plain import PlainView
from wattrain_operator.core.observed import Event
from wattrain_operator.local.curve import KEPT_POINTS, LossCurve
from wattrain_operator.local.view_model import Opening, Result, ViewModel

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ENERGY = EnergyStatus(
    joules=88.0, low=31.0, high=194.0, watts=6.2, source="model", carbon_grams=0.012, cost=0.00001, currency="EUR",
    meters=(Meter(component="cpu", source="model", joules=88.0),),
)  # fmt: skip
RESTART = Restart(
    time=NOW,
    attempt=1,
    rank=1,
    reason="Killed",
    exit_code=-9,
    step=120,
    resumed_from_step=100,
    joules_lost=6.5,
    recovery_seconds=9,
)
STATUS = TrainingJobStatus(
    state="Running", attempt=2, restart_count=1, restarts=(RESTART,), energy=ENERGY, start_time=NOW,
    internal=Internal(active_since=NOW),
    checkpoint=CheckpointStatus(step=100),
    progress=Progress(
        phase="training", step=120, total_steps=690, epoch=5, loss=0.3123456, eta_seconds=75.0,
        samples_per_second=41000.0, validation=Metrics(step=115, loss=0.2, accuracy=0.951),
    ),
)  # fmt: skip
WORKERS = tuple(WorkerSummary(worker, watts=3.1, source="model") for worker in (0, 1))
PROGRESS = contract.Progress(
    phase=Phase.TRAINING, step=120, total_steps=690, epoch=5, epochs=30, loss=0.3123456,
    validation=Evaluation(115, 0.2, 0.951),
    group=GroupProgress(samples_per_second=41000.0, watts=6.2, workers=WORKERS),
)  # fmt: skip
COMPLETE = replace(
    STATUS,
    state="Complete",
    completion_time=NOW + timedelta(seconds=83),
    model=ModelStatus(uri="runs/demo/model", metrics=Metrics(step=690, loss=0.11, accuracy=0.9722)),
)
RESULT = Result(COMPLETE, 0, ("complete: all 2 workers are done",), Path("runs/demo/receipt.md"))


@pytest.fixture
def opening(make_job):
    return Opening(make_job(), Path("runs/demo"), "http://127.0.0.1:9/metrics", resumed=False, notes=("a [note]",))


def test_plain_has_a_line_a_second_at_most_and_one_for_every_event(opening):
    clock = [0.0]
    stream = io.StringIO()
    view = PlainView(stream, lambda: clock[0])
    view.begin([opening])
    for tenth in range(30):
        clock[0] = tenth / 10
        progress = replace(STATUS.progress, step=tenth)
        view.show("demo", ViewModel(replace(STATUS, progress=progress)))
    view.event("demo", Event("Warning", "WorkersRestarted", "rank 1 failed"))
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["demo starts in runs/demo; metrics: http://127.0.0.1:9/metrics", "note: a [note]"]
    assert [line.split("  ")[2] for line in lines[2:-1]] == ["step 0/690", "step 10/690", "step 20/690"]
    assert lines[-1] == "0:03  warning: WorkersRestarted: rank 1 failed"


def test_plain_says_nothing_twice(opening):
    clock, stream = [0.0], io.StringIO()
    view = PlainView(stream, lambda: clock[0])
    for second in range(5):
        clock[0] = float(second)
        view.show("demo", ViewModel(STATUS))
    assert len(stream.getvalue().splitlines()) == 1


def test_the_status_line_has_every_figure_with_its_unit_and_source():
    assert status_line(STATUS) == (
        "Running  step 120/690  epoch 5  loss 0.3123  validation accuracy 0.951  41,000 samples/s  "
        "6.2 W, 88 J modelled  1 restart  1:15 left"
    )
    assert status_line(TrainingJobStatus()) == "Pending"


def test_the_status_line_of_a_job_that_is_being_stopped_says_how_to_end_it_now():
    assert "Ctrl-C again ends them now" in status_line(TrainingJobStatus(state="Suspending"))
    assert "Ctrl-C" not in status_line(TrainingJobStatus(state="Running"))


def test_the_summary_tells_result_energy_restarts_and_where_the_receipt_is():
    stream = io.StringIO()
    PlainView(stream).end("demo", RESULT)
    text = stream.getvalue()
    for said in (
        "complete: all 2 workers are done",
        "test     accuracy 0.9722, loss 0.11",
        "energy   88 J (31 J to 194 J), modelled",
        "carbon   0.012 g CO2e",
        "cost     1e-05 EUR",
        "time     1:23",
        "restarts 1, 0 J lost; the last: rank 1: Killed, exit code -9 at step 120, went on from step 100, down for 9 s",
        "receipt  runs/demo/receipt.md",
    ):
        assert said in text


def test_json_is_one_object_a_line_and_a_status_only_when_it_changed(opening):
    stream = io.StringIO()
    view = JsonView(stream)
    view.begin([opening])
    view.show("demo", ViewModel(STATUS))
    view.show("demo", ViewModel(STATUS))
    view.event("demo", Event("Normal", "TrainingComplete", "done"))
    view.end("demo", RESULT)
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
    text = rendered(frame(ViewModel(STATUS, PROGRESS, losses), opening, 100), width=120)
    for said in (
        "Running  step 120 of 690  epoch 5 of 30  1:15 left",
        f"{losses[0][1]:.4g} ",
        f"{losses[-1][1]:.4g} ",
        "loss 0.2, accuracy 0.9510",
        "41,000 samples/s",
        "6.2 W: worker 0 3.1 W modelled, worker 1 3.1 W modelled",
        "88 J (31 J to 194 J), modelled",
        "rank 1: Killed, exit code -9 at step 120, went on from step 100, down for 9 s, 6.5 J lost",
        "http://127.0.0.1:9/metrics",
    ):
        assert said in text
    assert any(0x2800 < ord(character) < 0x2900 for character in text)


def test_the_live_block_of_a_job_on_a_cluster_shows_its_watts_though_those_of_its_workers_are_not_told(opening):
    told = replace(PROGRESS, group=GroupProgress(watts=6.2))
    lines = rendered(frame(ViewModel(STATUS, told), opening, 100)).splitlines()
    assert any(line.split() == ["power", "6.2", "W"] for line in lines), lines


@pytest.mark.parametrize("width", [20, 80, 300])
def test_the_live_block_fits_any_terminal_before_and_after_the_first_step(opening, width):
    losses = [(1, 0.5), (2, 0.5)]
    for seen in (
        ViewModel(TrainingJobStatus(message="the data is being prepared")),
        ViewModel(STATUS, PROGRESS, losses),
    ):
        assert all(len(line) <= width for line in rendered(frame(seen, opening, width), width).splitlines())


def test_the_live_view_takes_text_for_text_and_ends_with_the_summary(opening):
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    view = LiveView(console)
    view.begin([opening])
    view.show("demo", ViewModel(STATUS, PROGRESS))
    view.event("demo", Event("Warning", "WorkersRestarted", "last line [/bold] [red]"))
    view.end("demo", RESULT)
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
    assert "step 0, log scale" in rendered(frame(ViewModel(STATUS, PROGRESS, falling), opening, 100))
    assert "log scale" not in rendered(frame(ViewModel(STATUS, PROGRESS, [(0, 2.0), (9, 1.0)]), opening, 100))
    assert "log scale" not in rendered(frame(ViewModel(STATUS, PROGRESS, [(0, 2.0), (9, -1.0)]), opening, 100))


def test_the_last_frame_keeps_what_was_said_last_when_no_worker_speaks_any_more(opening):
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    view = LiveView(console)
    view.begin([opening])
    view.show("demo", ViewModel(STATUS, PROGRESS))
    view.show("demo", ViewModel(STATUS))
    suspended = replace(STATUS, state="Suspended")
    before = len(console.file.getvalue())
    view.end("demo", Result(suspended, 130, ("stopped",)))
    assert "Suspended" in console.file.getvalue()[before:]
    assert "step 120 of 690" in console.file.getvalue()[before:]


@pytest.mark.parametrize(("phase", "shown"), [("starting", "starting"), ("compiling", "compiling"), ("", "starting")])
def test_a_group_that_does_not_train_yet_is_not_shown_with_what_a_dead_one_reached(opening, phase, shown):
    status = replace(STATUS, progress=replace(STATUS.progress, phase=phase))
    line = status_line(status)
    block = rendered(frame(ViewModel(status, replace(PROGRESS, phase=phase), ()), opening, 100))
    for text in (line, block):
        assert text.startswith(f"Running ({shown})")
        assert "120" not in text.split("checkpoint")[0]
        assert "left" not in text
    assert "6.2 W" in line


@pytest.mark.parametrize("old", [{"role": "prepare", "phase": "done"}, {"attempt": 1, "phase": "training"}])
def test_what_the_preparation_or_an_older_attempt_said_last_is_not_taken_for_the_workers_that_run_now(opening, old):
    text = rendered(frame(ViewModel(STATUS, replace(PROGRESS, **old), ()), opening, 100))
    assert text.startswith("Running (starting)")


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (
            PreparedSamples("reading", 120_000, 300_000, 40.0, 95_000.0),
            "reading: 120,000 of 300,000 samples, 40%, 95,000 samples/s",
        ),
        (PreparedSamples("reading", 4096), "reading: 4,096 samples"),
    ],
)
def test_a_job_that_prepares_shows_how_far_it_is(opening, told, shown):
    status = TrainingJobStatus(state="Preparing", message="the data is being prepared", prepared=told)
    assert status_line(status) == f"Preparing  {shown}"
    assert rendered(frame(ViewModel(status), opening, 100)).startswith(f"Preparing  {shown}\n")
    assert shown not in status_line(replace(status, state="Starting"))


def test_steps_of_workers_that_are_gone_are_not_repeated_while_others_start():
    for state in ("Restarting", "Starting"):
        assert "step" not in status_line(replace(STATUS, state=state))


def test_a_script_that_tells_no_phase_is_not_said_to_start_for_ever(opening):
    script = TrainingJobSpec.model_validate({"script": {"command": ["python", "train.py"]}})
    of_script = replace(opening, job=opening.job.model_copy(update={"spec": script}))
    status = replace(STATUS, progress=replace(STATUS.progress, phase="starting"))
    stream = io.StringIO()
    view = PlainView(stream, lambda: 0.0)
    view.begin([of_script])
    view.show("demo", ViewModel(status))
    assert "Running  step 120/690" in stream.getvalue()
    block = rendered(frame(ViewModel(status, replace(PROGRESS, phase=Phase.STARTING)), of_script, 100))
    assert "Running  step 120 of 690" in block


def test_pauses_are_told_beside_the_time_in_which_the_job_was_active():
    # Active for 20 s and for 23 s of the 83 s.
    resumed = replace(COMPLETE, internal=Internal(active_seconds=20, active_since=NOW + timedelta(seconds=60)))
    assert ("time", "0:43, paused 0:40") in figures.summary(Result(resumed, 0, ()))


def test_the_model_is_told_as_the_receipt_is_where_both_lie_in_the_directory_of_the_run(tmp_path):
    inside = replace(COMPLETE, model=ModelStatus(uri=str(Path("runs/demo/model").absolute())))
    assert ("model", "runs/demo/model") in figures.summary(replace(RESULT, status=inside))
    outside = replace(COMPLETE, model=ModelStatus(uri=str(tmp_path / "model")))
    assert ("model", str(tmp_path / "model")) in figures.summary(replace(RESULT, status=outside))


def test_the_step_of_the_exported_model_is_told_with_the_reason():
    best = ModelStatus(uri="m", step=1272, choice="best accuracy on the validation split: 0.97")
    told = ("exported", "step 1,272, best accuracy on the validation split: 0.97")
    assert told in figures.summary(replace(RESULT, status=replace(COMPLETE, model=best)))


def test_what_became_of_the_rows_is_told_when_the_data_is_prepared(opening, tmp_path):
    counts = {"read": 1780, "duplicates": 2, "missingDropped": 3, "outliersDropped": 4, "outliersClipped": 5,
              "training": 1251, "validation": 260, "test": 260}  # fmt: skip
    document = {"counts": counts, "columns": ["age", "size", "new"], "columnTypes": ["number", "number", "boolean"]}
    (tmp_path / "prepare.json").write_text(json.dumps(document | {"leftOut": ["__index_level_0__"]}))
    stream = io.StringIO()
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    for view in (PlainView(stream), LiveView(console)):
        view.begin([replace(opening, directory=tmp_path)])
        view.event("demo", Event("Normal", "DataPrepared", "the data is prepared"))
        view.close()
    for text in (stream.getvalue(), console.file.getvalue()):
        assert (
            "data: 1,780 rows read, 2 duplicates, 7 dropped, 5 with clipped outliers: "
            "1,251 for training, 260 for validation, 260 for test"
        ) in text
        assert "features: 3 (2 numbers, 1 boolean): age, size, new" in text
        assert "left out, as the file's index: __index_level_0__" in text


@pytest.mark.parametrize(
    ("repeats", "duplicates", "told"),
    [(11, 0, ", 11 repeat others, 0 dropped"), (10, 0, "read, 0 dropped"), (5, 5, ", 5 duplicates, 0 dropped")],
)
def test_repeats_are_told_where_they_are_many_or_were_to_be_dropped(repeats, duplicates, told):
    counts = {"read": 100, "repeats": repeats, "duplicates": duplicates, "training": 80, "validation": 10, "test": 10}
    (line,) = figures.prepared(to_prepared({"counts": counts}))
    assert told in line


def test_of_many_features_the_first_are_named():
    document = {"columns": [f"c{i}" for i in range(1000)], "columnTypes": ["number"] * 1000}
    assert figures.prepared(to_prepared(document)) == [
        "features: 1,000 (1,000 numbers): c0, c1, c2, c3, c4, c5 and 994 more"
    ]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"counts": 3}', '{"counts": {"read": "many"}}'])
def test_a_preparation_that_tells_no_counts_is_not_told_of(opening, tmp_path, content):
    if content is not None:
        (tmp_path / "prepare.json").write_text(content)
    stream = io.StringIO()
    view = PlainView(stream)
    view.begin([replace(opening, directory=tmp_path)])
    view.event("demo", Event("Normal", "DataPrepared", "the data is prepared"))
    assert "data:" not in stream.getvalue()


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
    mixed = replace(ENERGY, source="nvml+model", measured_ratio=0.75)
    assert figures.energy(mixed).endswith("measured by NVML and modelled, 75% of it measured")
    assert figures.energy(EnergyStatus()) == "not known yet"


def test_energy_that_is_incomplete_is_marked_in_the_line_and_explained_in_the_summary():
    gap = UncountedEnergy("gpu", "a GPU is cut into MIG slices; it is not counted")
    energy = replace(ENERGY, incomplete=(gap,), measured_ratio=None)
    assert figures.energy(energy).endswith(f"modelled; incomplete: {gap.reason}")
    assert "88 J modelled, incomplete" in status_line(TrainingJobStatus(state="Running", energy=energy))


def test_power_that_is_not_known_is_not_shown_as_a_figure():
    line = status_line(TrainingJobStatus(state="Running", energy=replace(ENERGY, watts=None)))
    assert "power unknown, 88 J" in line


FOUND = Metrics(step=7, loss=0.5, accuracy=0.9, f1=0.75, roc_auc=0.875)


def test_the_metric_that_the_job_watches_comes_first_while_it_runs_and_at_its_end(make_job):
    job = make_job()
    training = Training.model_validate({"epochs": 1, "earlyStopping": {"metric": "rocAuc", "patience": 3}})
    job = job.model_copy(update={"spec": job.spec.model_copy(update={"training": training})})
    opening = Opening(job, Path("runs/demo"), "http://h:1/metrics", resumed=False)
    out = io.StringIO()
    view = PlainView(out)
    view.begin([opening])
    running = replace(STATUS, progress=replace(STATUS.progress, validation=FOUND))
    view.show(opening.job.metadata.name, ViewModel(running))
    view.end(opening.job.metadata.name, replace(RESULT, status=replace(COMPLETE, model=ModelStatus(metrics=FOUND))))
    assert "validation ROC AUC 0.875  validation accuracy 0.900" in out.getvalue()
    assert "test     ROC AUC 0.8750, accuracy 0.9000, loss 0.5" in out.getvalue()


@pytest.mark.parametrize(
    ("watched", "in_line"),
    [(None, ["accuracy 0.900"]), ("accuracy", ["accuracy 0.900"]), ("loss", ["loss 0.5", "accuracy 0.900"]),
     ("f1", ["F1 0.750", "accuracy 0.900"]), ("mae", ["accuracy 0.900"])],
)  # fmt: skip
def test_a_line_tells_what_is_watched_and_the_accuracy_and_nothing_twice(watched, in_line):
    assert metrics_in_a_line(FOUND, watched) == in_line


def test_every_metric_can_be_shown():
    for name in get_args(MetricName):
        value = TypeAdapter(Metrics).validate_python({name: 0.25})
        assert [text.rsplit(" ", 1)[1] for text in metrics(value, name)] in (["0.2500"], ["0.25"]), name
