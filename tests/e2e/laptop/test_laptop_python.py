"""`wattrain.run` as a script and as a notebook call it."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import wattrain

MARKER = "WATTRAIN_TEST_MARKER"
JOB = {
    "apiVersion": "wattrain.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "digits"},
    "spec": {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 4}},
}
SCRIPT = """
import json, sys, wattrain
try:
    wattrain.run(json.loads(sys.argv[1]), directory=sys.argv[2], overrides=["training.epochs=1000000"])
except KeyboardInterrupt:
    print("interrupted")
"""
KERNEL_PACKAGES = ("nbclient", "nbformat", "ipykernel")


@pytest.fixture
def script(laptop):
    """A Python that calls `wattrain.run` on a job without end, in the background."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(JOB), str(laptop.directory)],
        env={**os.environ, MARKER: laptop.marker}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def wait_for_step(laptop, process, wanted, seconds=120):
    """Until status.json tells that step."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            status = json.loads((laptop.directory / "status.json").read_bytes())
            if status.get("progress", {}).get("step", 0) > wanted:
                return
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_trains_to_a_receipt_that_has_types_and_shows_itself(tmp_path, capsys):
    receipt = wattrain.run(JOB, directory=tmp_path / "run")
    assert receipt.receipt.test is not None
    assert (receipt.receipt.test.accuracy or 0) > 0.5
    assert receipt.status.state == "Complete"
    assert receipt.model_directory == tmp_path / "run/model"
    assert (receipt.model_directory / "model.json").exists()
    assert "co2_eq_emissions: " in (receipt.model_directory / "README.md").read_text()
    assert "complete: the worker is done" in capsys.readouterr().out
    assert repr(receipt).startswith("<digits: ")
    page = receipt._repr_html_()
    assert page.startswith('<iframe title="Receipt of digits" sandbox="allow-scripts"')
    assert "<script" not in page  # all of it is within srcdoc, escaped
    assert receipt._repr_markdown_() == (tmp_path / "run/receipt.md").read_text()
    again = wattrain.run(JOB, directory=tmp_path / "run", progress=False)  # complete already
    assert again.receipt == receipt.receipt
    assert capsys.readouterr().out == ""


def test_a_job_whose_data_cannot_be_trained_on_fails_with_the_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("a,b\n1,x\n2,x\n")
    job = {**JOB, "spec": {**JOB["spec"], "data": {"source": {"uri": "a.csv"}, "label": "b"}}}
    with pytest.raises(wattrain.JobFailed, match="has only the class 'x'") as caught:
        wattrain.run(job, progress=False)
    assert caught.value.receipt is not None
    with pytest.raises(wattrain.JobRefused, match=r"spec.data.source.uri: there is no file b.csv"):
        wattrain.run(job, progress=False, overrides=["data.source.uri=b.csv"])


def test_an_interruption_saves_a_checkpoint_and_leaves_no_process(laptop, script):
    wait_for_step(laptop, script, 20)
    script.send_signal(signal.SIGINT)
    said, errors = script.communicate(timeout=120)
    assert (script.returncode, errors) == (0, "")
    assert "run the same command again to go on from the checkpoint of step" in said
    assert said.endswith("interrupted\n")
    laptop.wait_for_no_process()
    assert list((laptop.directory / "checkpoints").iterdir())


def test_a_python_that_is_killed_leaves_no_process(laptop, script):
    wait_for_step(laptop, script, 5)
    script.kill()
    script.wait()
    laptop.wait_for_no_process()


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in KERNEL_PACKAGES),
    reason=f"needs a Jupyter kernel: pip install {' '.join(KERNEL_PACKAGES)}",
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::RuntimeWarning")
def test_a_notebook_shows_progress_and_the_receipt_with_its_plots(tmp_path):
    import nbclient
    import nbformat

    source = f"import wattrain\nwattrain.run({JOB!r}, directory={str(tmp_path / 'run')!r})"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, timeout=300).execute(cwd=str(tmp_path))
    outputs = notebook.cells[0].outputs
    assert "DataPrepared" in "".join(output.text for output in outputs if output.output_type == "stream")
    (live,) = (output.data for output in outputs if output.output_type == "display_data")
    assert "Complete  step " in live["text/plain"]  # the last of what was shown in its place
    assert "<progress " in live["text/html"]
    assert "Running  step" not in "".join(output.text for output in outputs if output.output_type == "stream")
    (shown,) = (output.data for output in outputs if output.output_type == "execute_result")
    assert "srcdoc=" in shown["text/html"]
    assert "# Receipt of digits" in shown["text/markdown"]
