"""The page of `wattrain simulate --output html`, opened from its file."""

import json

import pytest
from harness.browser import running_browser
from harness.drawn_page import LEGIBLE
from harness.fixtures import or_skipped
from typer.testing import CliRunner

from wattrain_operator.cli.app import app

HOUR = 3600.0
JOBS = [("first", 0.0, 60.0, 2 * HOUR), ("head", 60.0, 80.0, HOUR), ("behind", 120.0, 40.0, HOUR)]
DRAWN = """[...document.querySelectorAll('figure')].map((figure) => {
  const canvas = figure.querySelector('canvas');
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = (colour) => {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    let found = 0;
    for (let i = 0; i < pixels.length; i += 4) found += pixels[i] === r && pixels[i + 1] === g && pixels[i + 2] === b;
    return found;
  };
  return [...figure.querySelectorAll('.legend tbody tr')].map((row) => ({
    name: row.querySelector('th').textContent, figures: [...row.querySelectorAll('data')].map((each) => +each.value),
    pixels: seen(row.querySelector('line').getAttribute('stroke')),
  }));
})"""


@pytest.fixture(scope="module")
def page():
    with or_skipped(), running_browser() as browser:
        yield browser.new_page()


@pytest.fixture
def file(tmp_path):
    fields = ("name", "submitSeconds", "wattsPerWorker", "durationSeconds")
    lines = [json.dumps({**dict(zip(fields, job, strict=True)), "namespace": "a", "workers": 1}) for job in JOBS]
    trace, domain, made = tmp_path / "jobs<b>.jsonl", tmp_path / "domain.json", tmp_path / "page.html"
    trace.write_text("\n".join(lines))
    spec = {"capWatts": 100, "headroomPercent": 0}
    kind = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "PowerDomain", "metadata": {"name": "hall"}}
    domain.write_text(json.dumps({**kind, "spec": spec}))
    asked = ["simulate", "--trace", str(trace), "--domain", str(domain), "--policy", "fifo", "--policy", "cap-backfill"]
    answer = CliRunner().invoke(app, [*asked, "--output", "html"])
    assert answer.exit_code == 0, answer.output
    made.write_text(answer.stdout)
    return made


@pytest.mark.parametrize(("width", "dark"), [(400, True), (1280, False)])
def test_curves_of_power_under_the_cap_and_of_waiting_are_seen(width, dark, page, file):
    page.open(file.as_uri(), width=width, dark=dark)
    page.wait_for("document.querySelectorAll('figure canvas').length === 3")
    power, waiting, waits = page.evaluate(DRAWN)
    assert [line["name"] for line in power] == ["fifo", "cap-backfill", "cap, for jobs"]
    assert [line["figures"][1] for line in power] == [80, 100, 100]  # the most: only one overtook beside the first
    assert [(line["name"], line["figures"][1]) for line in waiting] == [("fifo", 2), ("cap-backfill", 1)]
    longest = [(3 * HOUR - 120) / HOUR, (2 * HOUR - 60) / HOUR]
    assert [line["figures"][1] for line in waits] == pytest.approx(longest, 1e-5)
    # A line that lies below another is not seen where both are the same.
    assert all(line["pixels"] > 20 for line in (*power[1:], *waiting, *waits)), (power, waiting, waits)
    assert (page.asked_for, page.messages) == ([file.as_uri()], [])
    assert page.evaluate("document.title") == "Policies on jobs<b>.jsonl, in power domain hall"
    found = page.evaluate(LEGIBLE)
    assert (found["faint"], found["width"] <= width, found["dark"]) == ([], True, dark)
