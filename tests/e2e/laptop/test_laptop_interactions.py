"""A recommender on a laptop: the same losses on one worker and on three, and items for the users of a file."""

import json
import subprocess
import sys

import yaml

COMMAND = [sys.executable, "-c", "from wattrain_operator.cli import main; main()"]


def losses_of(run):
    lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["step"]: line["loss"] for line in lines if line.get("loss") is not None}


def test_a_recommender_has_the_same_losses_on_any_number_of_workers_and_recommends(laptop, examples, tmp_path):
    job = yaml.safe_load((examples / "recommender.yaml").read_text(encoding="utf-8"))
    spec, table = job["spec"], examples / "data/interactions.csv"
    spec["data"]["source"]["uri"] = str(table)
    spec["training"] |= {"epochs": 4, "deterministic": True, "batchSize": 512, "optimizer": {"lr": 0.03}}
    found = []
    for workers in (1, 3):
        spec["workers"], job["metadata"]["name"] = {"replicas": workers}, f"on-{workers}"
        (tmp_path / "job.yaml").write_text(yaml.safe_dump(job), encoding="utf-8")
        laptop.directory = run = tmp_path / f"on-{workers}"
        laptop.start(tmp_path / "job.yaml")
        assert laptop.finish() == 0
        status = json.loads((run / "status.json").read_bytes())
        found.append((losses_of(run), status["model"]["metrics"]))
    assert len(found[0][0]) == 40
    assert found[0] == found[1]
    assert found[0][1]["recallAt10"] > 0.15, "more than what is in the training most often (0.13)"
    (tmp_path / "some.csv").write_text("user\nperson-001\nstranger\n", encoding="utf-8")
    done = subprocess.run(
        [*COMMAND, "predict", str(run), str(tmp_path / "some.csv")], capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()[:2]
    assert len(set(first.split("\t"))) == 10
    assert second == ""
    assert "users that the training has not seen have no prediction; there are 1: stranger" in done.stderr
