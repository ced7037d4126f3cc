"""Scripts of a user's own: watched from their first step on, and their exit codes told as they are."""

import json
import signal
import textwrap

import pytest

PATTERNS = {"step": "step=([0-9]+)", "loss": "loss=([0-9.]+)"}


@pytest.fixture
def write_script(tmp_path):
    """A job file for a script; keywords are fields of spec."""

    def write(source, *, script=None, **spec):
        file = tmp_path / "train.py"
        file.write_text("import os, sys, time\nrank = int(os.environ['RANK'])\n" + textwrap.dedent(source))
        own = {"command": ["python", str(file)], "metricPatterns": PATTERNS, **(script or {})}
        document = {
            "apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "own"},
            "spec": {"script": own, **spec},
        }  # fmt: skip
        job = tmp_path / "job.yaml"
        job.write_text(json.dumps(document))
        return job

    return write


def test_a_script_that_hangs_is_ended_and_the_rank_that_left_before_is_named(laptop, write_script):
    source = """
        print("step=1 loss=1", flush=True)
        if rank == 1:
            time.sleep(999)
        """
    policy = {"progressDeadlineSeconds": 2, "maxRestarts": 0}
    assert laptop.run(write_script(source, workers={"replicas": 2}, policy=policy)) == 1
    assert "NoProgress" in laptop.status()["message"]
    assert "rank 0 had left with exit code 0 while others still ran" in laptop.status()["message"]
    assert laptop.status()["progress"]["phase"] == "training"
    laptop.wait_for_no_process()


@pytest.mark.parametrize("exit_code", [65, 143])
def test_an_exit_code_of_a_script_is_told_as_it_is_and_restarted_by_the_budget(laptop, write_script, exit_code):
    source = f"""
        step = 3 + int(os.environ["WATTRAIN_ATTEMPT"])
        print(f"step={{step}} loss=1", flush=True)
        if rank == 1:
            print("rank 1 had enough", flush=True)
            sys.exit({exit_code})
        time.sleep(999)
        """
    assert laptop.run(write_script(source, workers={"replicas": 2}, policy={"maxRestarts": 1})) == 1
    status = laptop.status()
    assert (status["reason"], len(status["restarts"])) == ("RestartBudgetExhausted", 1)
    assert f"(ProgramFailed, exit code {exit_code}): rank 1 had enough" in status["message"]
    assert (status["restarts"][0]["rank"], status["restarts"][0]["exitCode"]) == (1, exit_code)


def test_a_rank_that_leaves_early_is_named_and_not_the_one_whose_connection_broke(laptop, write_script):
    source = """
        import torch
        import torch.distributed as dist
        dist.init_process_group("gloo")
        for step in range(1, 10):
            dist.all_reduce(torch.ones(4))
            print(f"step={step} loss=1", flush=True)
            if rank == 1 and step == 3:
                os._exit(0)
        """
    assert laptop.run(write_script(source, workers={"replicas": 2}, policy={"maxRestarts": 0})) == 1
    message = laptop.status()["message"]
    assert "rank 1 left with exit code 0 at step 3 (RankLeftEarly)" in message
    assert "rank 0, which still needed it, then ended with exit code 1" in message


def test_what_a_script_prints_is_what_is_shown_and_not_the_last_good_loss(laptop, write_script):
    source = """
        for step, loss in enumerate(["0.5", "9.5e-05", "nan"], 1):
            print(f"step={step} val_loss=7 loss={loss}", flush=True)
        """
    patterns = {"step": "step={number}", "loss": "loss={number}"}
    assert laptop.run(write_script(source, script={"metricPatterns": patterns})) == 0
    progress = laptop.status()["progress"]
    assert ("loss" in progress, progress["lossNotFinite"], progress["step"]) == (False, "NaN", 3)
    assert laptop.losses() == {1: 0.5, 2: 9.5e-05, 3: "NaN"}
    [event] = [line for line in laptop.of("event") if line["reason"] == "NonFiniteLoss"]
    assert "the loss is NaN at step 3" in event["message"]
    assert "| Last training loss | nan |" in (laptop.directory / "receipt.md").read_text()


def test_a_pattern_that_cannot_work_is_refused_before_anything_starts(laptop, write_script):
    assert laptop.run(write_script("", script={"metricPatterns": {"loss": "loss=(["}})) == 2
    assert "loss: 'loss=([' is no regular expression (unterminated character set" in laptop.errors()


@pytest.mark.parametrize("processes", [1, 2])
def test_torchrun_as_the_command_trains_with_all_ranks_of_all_workers(laptop, write_script, processes):
    source = """
        import torch
        import torch.distributed as dist
        dist.init_process_group("gloo")
        ones = torch.ones(1)
        dist.all_reduce(ones)
        if rank == 0:
            print(f"step=1 loss={ones.item()}", flush=True)
        dist.destroy_process_group()
        """
    job = write_script(source, workers={"replicas": 2, "processesPerWorker": processes})
    document = json.loads(job.read_text())
    document["spec"]["script"]["command"][0] = "torchrun"
    job.write_text(json.dumps(document))
    assert laptop.run(job) == 0
    assert laptop.losses() == {1: 2.0 * processes}
    laptop.wait_for_no_process()


def test_deepspeed_with_several_ranks_is_refused_with_what_to_write(laptop, write_script):
    job = write_script("", script={"command": ["deepspeed", "train.py"]}, workers={"replicas": 2})
    assert laptop.run(job) == 2
    assert "write torchrun in place of deepspeed" in laptop.errors()


def test_the_directories_to_save_into_are_there_before_the_script_starts(laptop, write_script):
    source = """
        for name in ("WATTRAIN_CHECKPOINT_DIR", "WATTRAIN_MODEL_DIR"):
            open(os.path.join(os.environ[name], f"rank-{rank}"), "w").write("x")
        print("step=1 loss=1", flush=True)
        """
    assert laptop.run(write_script(source, workers={"replicas": 2})) == 0
    assert sorted(file.name for file in (laptop.directory / "checkpoints").iterdir()) == ["rank-0", "rank-1"]


def test_a_script_that_asks_whether_to_stop_saves_and_says_so(laptop, write_script, tmp_path):
    source = f"""
        from pathlib import Path
        from wattrain_worker.report import checkpoint_saved, report, should_stop
        step = 0
        while not should_stop():
            step += 1
            report(step=step, loss=1 / step)
            time.sleep(0.01)
        Path({str(tmp_path / "saved")!r}).write_text(str(step))
        checkpoint_saved(step, path="saved", seconds=0.5)
        sys.exit(143)
        """
    laptop.start(write_script(source))
    laptop.wait_until(lambda: laptop.step() > 3)
    laptop.signal(signal.SIGINT)
    assert laptop.finish() == 130
    status, saved = laptop.status(), int((tmp_path / "saved").read_text())
    assert status["checkpoint"]["step"] == saved > 3
    assert laptop.of("result")[0]["sentences"] == [
        f"stopped; run the same command again to go on from the checkpoint of step {saved}"
    ]
    laptop.wait_for_no_process()
