"""A disk that is really full: a small file system of its own, and a file that takes what is left of it."""

import contextlib
import json
import subprocess
from pathlib import Path

import pytest

SIZE = "3m"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MiB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(directory)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"mount cannot be run ({error.strerror}); run as root on Linux")
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted ({mounted.stderr.strip()}); run as root, outside of a container")
    yield directory
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(directory: Path) -> None:
    """In one write: what went on to write would take the room, too, that the run gives up for its receipt."""
    with contextlib.suppress(OSError), (directory / "filler").open("wb", buffering=0) as file:
        file.write(bytes(4 * 1024 * 1024))


def crash_logs(laptop):
    return list(laptop.directory.glob("crash.log"))


@pytest.mark.parametrize("full_at", ["a status", "a checkpoint"])
def test_a_run_on_a_disk_that_fills_up_ends_as_a_run(laptop, write_job, small_disk, full_at):
    laptop.directory = small_disk / "run"
    every = 1_000_000 if full_at == "a status" else 100
    training = {"maxSteps": 1_000_000, "batchSize": 64}
    job = write_job(training=training, workers={"replicas": 1}, checkpoint={"every": {"steps": every}, "keep": 1000},
                    policy={"maxRestarts": 0})  # fmt: skip
    laptop.start(job)
    if full_at == "a status":
        laptop.wait_until(lambda: laptop.step() > 0)
        fill(small_disk)
    assert laptop.finish() == 1
    assert laptop.processes() == {}
    assert crash_logs(laptop) == []
    status = laptop.status()
    assert status["state"] == "Failed"
    assert "cannot be written" in status["message"]
    assert "No space left on device" in status["message"]
    assert "make room there" in status["message"]
    receipt = json.loads((laptop.directory / "receipt.json").read_bytes())
    assert receipt["job"]["message"] == status["message"]
    assert receipt["training"]["step"] > 0
