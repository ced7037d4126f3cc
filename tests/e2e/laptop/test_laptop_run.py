"""`wattrain run` with real workers, from the command to the receipt."""

import json
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families


def values(page, name):
    """Samples of a family as {labels: value}."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name
    }


def test_the_first_example_trains_to_its_receipt_and_shows_falling_loss_and_watts_on_one_port(laptop, examples):
    pages = []

    def scrape(url):
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                pages.append(answer.read().decode())
        except urllib.error.HTTPError as error:
            if error.code == 503:  # there is nothing to show yet
                return {}
            raise
        return values(pages[-1], "wattrain_worker_loss")

    laptop.start(examples / "digits-mlp.yaml", examples / "powerdomain.yaml")
    laptop.wait_until(lambda: laptop.of("start"))
    url = laptop.of("start")[0]["metricsUrl"]
    laptop.wait_until(lambda: scrape(url))
    first = max(scrape(url).values())
    laptop.wait_until(lambda: 0 < max(scrape(url).values(), default=first) < first / 2)
    power = values(pages[-1], "wattrain_worker_power_watts")
    assert {dict(labels)["worker"] for labels in power} == {"0", "1"}
    assert {dict(labels)["source"] for labels in power} <= {"model", "rapl", "nvml"}
    assert sum(power.values()) > 0
    assert laptop.finish() == 0

    [result] = laptop.of("result")
    assert result["state"] == "Complete"
    assert result["status"]["model"]["metrics"]["accuracy"] >= 0.95
    energy = result["status"]["energy"]
    assert 0 < energy["low"] < energy["joules"] < energy["high"]
    assert energy["cost"] > 0
    found = {entry.name for entry in laptop.directory.iterdir()}
    assert {
        "status.json", "events.jsonl", "metrics.jsonl", "logs", "checkpoints", "model", "prepare.json", "receipt.json",
        "receipt.md", "receipt.html",
    } <= found  # fmt: skip
    assert (laptop.directory / "model" / "model.safetensors").stat().st_size > 1000
    receipt = json.loads((laptop.directory / "receipt.json").read_bytes())
    assert receipt["test"]["accuracy"] == result["status"]["model"]["metrics"]["accuracy"]
    losses = laptop.losses()
    assert sorted(losses) == list(range(1, result["status"]["progress"]["totalSteps"] + 1))
    assert laptop.processes() == {}

    assert laptop.run(examples / "digits-mlp.yaml", examples / "powerdomain.yaml") == 0
    assert "is complete already" in laptop.of("result")[0]["sentences"][0]


def test_a_table_of_ones_own_trains_too_and_plain_output_tells_it(laptop, examples, monkeypatch):
    monkeypatch.chdir(examples.parent)
    laptop.start(examples / "csv-mlp.yaml", "--set", "workers.replicas=1", output="plain")
    assert laptop.finish() == 0
    text = "".join(line["text"] for line in laptop.lines)
    assert "complete: the worker is done" in text
    assert "test     accuracy" in text
    assert str(laptop.directory / "receipt") in text


def test_a_table_with_text_among_numbers_is_bad_input(laptop, write_job, tmp_path):
    table = tmp_path / "people.csv"
    table.write_text("age,height,label\n" + "".join(f"{i},{i * 2},{i % 2}\n" for i in range(40)) + "old,3,1\n")
    file = write_job(data={"source": {"uri": str(table)}, "label": "label"})
    assert laptop.run(file) == 2
    [result] = laptop.of("result")
    assert result["status"]["reason"] == "BadData"
    assert "age" in result["sentences"][0]
    assert "old" in result["sentences"][0]
    assert "Traceback" not in laptop.errors() + json.dumps(laptop.lines)
    laptop.wait_for_no_process()

    table.write_text(table.read_text().replace("old", "41"))
    assert laptop.run(file) == 0, laptop.lines[-1]  # mended, it runs in the same directory


def test_fewer_rows_than_workers_is_bad_input(laptop, write_job, tmp_path):
    table = tmp_path / "few.csv"
    table.write_text("x,label\n1,0\n2,1\n3,0\n4,1\n")
    file = write_job(data={"source": {"uri": str(table)}, "label": "label"}, workers={"replicas": 8})
    assert laptop.run(file) == 2
    assert laptop.of("result")[0]["status"]["reason"] == "BadData"
    assert "Traceback" not in laptop.errors() + json.dumps(laptop.lines)
    laptop.wait_for_no_process()


def test_a_script_of_ones_own_needs_no_change_to_show_what_it_prints(laptop, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import os, time\n"
        "for step in range(1, 41):\n"
        "    if os.environ['RANK'] == '0':\n"
        "        print(f'step={step} loss={1 / step:.4f} of', os.environ['WORLD_SIZE'], flush=True)\n"
        "    time.sleep(0.02)\n"
    )
    job = tmp_path / "job.yaml"
    patterns = {"step": "step=([0-9]+)", "loss": "loss=([0-9.]+)"}
    spec = {"script": {"command": ["python", str(script)], "metricPatterns": patterns}, "workers": {"replicas": 2}}
    document = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "own"}, "spec": spec}
    job.write_text(json.dumps(document))
    assert laptop.run(job) == 0
    assert laptop.status()["progress"]["step"] == 40
    assert laptop.losses()[40] == 0.025
    logs = "".join(file.read_text() for file in (laptop.directory / "logs").iterdir())
    assert "step=40 loss=0.0250 of 2" in logs
    assert laptop.processes() == {}
