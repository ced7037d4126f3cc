"""A run on the page, in Chromium: while it trains, when it is over, and on its receipt."""

import contextlib
import json
import subprocess
import sys

import pytest
from harness.browser import running_browser
from harness.fixtures import or_skipped

DRAWN = "['ready', 'failed'].includes(document.documentElement.dataset.state)"
STATES = "[...document.querySelectorAll('section.panel[data-state]')].map((each) => each.dataset.state)"
FIGURES = """Object.fromEntries([...document.querySelectorAll('section.panel:not([hidden])')].map((each) =>
  [each.id, [...each.querySelectorAll('.body data')].map((data) => Number(data.value))]))"""
NEEDED = {
    "Loss", "Steps", "Steps a second", "Restarts", "Power", "Energy", "CO2e", "Power by component and source",
    "Energy by component and source", "Measured share",
}  # fmt: skip
"""Panels of *Training job* that the run of a script has to show without a Prometheus."""
SCRIPT = """
import pathlib, sys, time
step = 0
while step < 40 or not pathlib.Path(sys.argv[1]).exists():
    step += 1
    print(f"step={step} loss={1 / step}", flush=True)
    time.sleep(0.05)
"""
"""Trains until it has been seen, however fast the machine is."""


@pytest.fixture(scope="module")
def page():
    with or_skipped(), running_browser() as browser:
        yield browser.new_page()


@contextlib.contextmanager
def served(directory):
    """`wattrain dashboard DIRECTORY`; its address."""
    command = [sys.executable, "-c", "from wattrain_operator.cli import main; main()", "dashboard", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().partition(" ")[0]
        finally:
            process.terminate()
        assert process.wait(60) == 0


def panels(dashboard):
    return {f"panel-{panel['id']}": panel["title"] for panel in dashboard["panels"]}


def test_a_run_is_drawn_live_afterwards_and_on_its_receipt(laptop, tmp_path, page):
    seen, job = tmp_path / "seen", tmp_path / "job.yaml"
    script = {
        "command": [sys.executable, "-c", SCRIPT, str(seen)],
        "metricPatterns": {"step": "step={number}", "loss": "loss={number}"},
    }
    job.write_text(json.dumps({
        "apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "demo"},
        "spec": {"script": script, "workers": {"replicas": 1}},
    }))  # fmt: skip
    laptop.start(job, "--dashboard")
    laptop.wait_until(lambda: laptop.of("start"))
    base = laptop.of("start")[0]["pageUrl"]
    page.open(f"{base}?dashboard=wattrain-training-job")
    page.wait_for(DRAWN)
    titles = panels(page.evaluate("fetch('/dashboards/wattrain-training-job.json').then((answer) => answer.json())"))
    (steps,) = [each for each, title in titles.items() if title == "Steps"]
    page.wait_for(f"({FIGURES})['{steps}']?.[0] > 0")
    first = page.evaluate(FIGURES)[steps][0]
    page.wait_for(f"({FIGURES})['{steps}'][0] > {first}")  # drawn again by itself
    page.wait_for(f"Object.keys({FIGURES}).length > 8")
    assert page.messages == []
    seen.touch()
    assert laptop.finish() == 0
    assert laptop.errors() == ""
    check_afterwards(laptop, page, titles, steps)
    check_receipt(laptop, page)


def check_afterwards(laptop, page, titles, steps):
    with served(laptop.directory) as base:
        page.open(base)
        page.wait_for(DRAWN)
        assert page.evaluate("document.querySelector('.jobs tbody .state').textContent") == "Complete"
        page.open(f"{base}?dashboard=wattrain-training-job", width=400)
        page.wait_for(DRAWN)
        found, status = page.evaluate(FIGURES), laptop.status()
        assert set(page.evaluate(STATES)) <= {"drawn", "empty", "refused"}
        assert {titles[each] for each in found if each in titles} >= NEEDED
        (energy,) = [each for each, title in titles.items() if title == "Energy" and each in found]
        low, joules, high = (status["energy"][name] for name in ("low", "joules", "high"))
        assert found[energy] == pytest.approx([low, joules, high], rel=1e-6)
        assert found[steps][0] == status["progress"]["step"]
        text = page.evaluate("document.getElementById('story').textContent")
        assert "TrainingComplete" in text and "Receipt of demo" in text  # noqa: PT018
        assert page.messages == []
        page.open(f"{base}receipt.html?namespace=local&name=demo")
        page.wait_for("document.querySelectorAll('canvas').length === 2")
        assert page.messages == []


def check_receipt(laptop, page):
    """As a file, without any server."""
    page.open((laptop.directory / "receipt.html").as_uri(), dark=True)
    page.wait_for("document.querySelectorAll('canvas').length === 2")
    lines = page.evaluate("""[...document.querySelectorAll('.legend')].map((table) =>
      [...table.querySelectorAll('tbody tr')].map((row) =>
        [row.querySelector('th').textContent,
         ...[...row.querySelectorAll('data')].map((data) => Number(data.value))]))""")
    losses = list(laptop.losses().values())
    (training, *_), (power, *_) = lines
    assert training[:3] == ["training", pytest.approx(losses[0], rel=1e-5), pytest.approx(losses[-1], rel=1e-5)]
    assert power[0] == "power" and power[1] > 0  # noqa: PT018
    assert page.messages == []
    assert [each for each in page.asked_for if not each.startswith("file:")] == []
    receipt = json.loads((laptop.directory / "receipt.json").read_text())
    assert receipt["job"]["state"] == "Complete"
