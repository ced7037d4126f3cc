"""A run that was ended by kill -9, as the page shows it: from its directory, without a Prometheus."""

import contextlib
import json
import time

import pytest
from harness.browser import running_browser
from harness.drawn_page import LEGIBLE, wait_until_drawn
from harness.fixtures import or_skipped

from wattrain_api.status import EnergyStatus, Meter, Progress, TrainingJobStatus
from wattrain_api.trainingjob import ObjectMeta, TrainingJob, TrainingJobSpec
from wattrain_operator.local.run_page import serve_runs
from wattrain_operator.local.rundir import RunDirectory

JOB = TrainingJob(
    metadata=ObjectMeta(namespace="local", name="demo", uid="demo"),
    spec=TrainingJobSpec.model_validate({
        "recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1},
    }),
)  # fmt: skip
NOW = time.time()
STORY = "document.getElementById('story').textContent"
TRAINING_JOB = "?dashboard=wattrain-training-job"


@pytest.fixture(scope="module")
def page():
    with or_skipped(), running_browser() as browser:
        yield browser.new_page()


@pytest.fixture
def directory(tmp_path):
    """It has said that it runs, and holds the locks of one that does until they are closed."""
    path = tmp_path / "demo"
    path.mkdir()
    (path / "job.json").write_text(json.dumps(JOB.to_json_object()))
    lines = [
        {"step": n, "time": NOW - 61 + n, "loss": 1 / n, "watts": 5.0, "joules": 5.0 * n, "samplesPerSecond": 64.0}
        for n in range(1, 61)
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    meter = Meter("cpu", "model", 300.0, 150.0, 600.0)
    status = TrainingJobStatus(
        state="Running", message="training", progress=Progress(step=60, total_steps=100, loss=1 / 60),
        energy=EnergyStatus(joules=300.0, low=150.0, high=600.0, meters=(meter,), watts=5.0),
    )  # fmt: skip
    running = RunDirectory.open(path, wait_seconds=0)
    running.write_status(status)
    yield running
    with contextlib.suppress(OSError):
        running.close()


@pytest.fixture
def base(page, directory):
    with contextlib.closing(serve_runs([directory.path])) as server:
        yield server.url
        page.open("about:blank")  # it would go on asking


def test_it_says_since_when_nothing_was_heard_and_how_to_go_on(page, base, directory):
    page.open(f"{base}{TRAINING_JOB}")
    wait_until_drawn(page)
    assert "Running: training" in page.evaluate(STORY)
    assert "Nothing was heard" not in page.evaluate(STORY)
    directory.close()  # as the kernel does it for a command that was killed
    page.wait_for(f"{STORY}.includes('Nothing was heard of this run since')")  # by itself, as it is drawn again
    assert "Running, seems ended" in page.evaluate(STORY)
    command = page.evaluate("document.querySelector('#story code').textContent")
    assert command == f"wattrain run {directory.path / 'job.json'} --dir {directory.path}"
    page.open(base)
    page.wait_for("document.querySelector('.jobs tbody .state')?.textContent === 'Running, seems ended'")
    assert page.messages == []


@pytest.mark.parametrize(("width", "dark"), [(400, True), (1280, False)])
def test_it_is_legible_on_narrow_and_wide_screens_in_light_and_dark(width, dark, page, base, directory):
    directory.close()
    page.open(f"{base}{TRAINING_JOB}", width=width, dark=dark)
    drawn = wait_until_drawn(page)
    assert [each["title"] for each in drawn if each.get("state") == "failed"] == []
    found = page.evaluate(LEGIBLE)
    assert found["faint"] == []
    assert (found["width"] <= width, found["dark"]) == (True, dark)
    assert page.messages == []
