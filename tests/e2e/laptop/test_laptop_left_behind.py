"""What a script starts ends with it, also where it has left its session and its parent, in each way that a run ends."""

import os
import signal
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lets a process adopt orphans")

SCRIPT = """
import os, signal, subprocess, sys, time
from pathlib import Path
from wattrain_worker.report import report
way, generation, note = sys.argv[1], int(os.environ["WATTRAIN_GENERATION"]), Path(sys.argv[2])

def leave_behind():
    # As daemon(3) does: a session of its own, and a parent that has gone.
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            note.write_text(str(os.getpid()))
            os.execvp("sleep", ["sleep", "4242"])
        os._exit(0)
    os.wait()

if generation == 0:
    leave_behind()
    subprocess.Popen(["sleep", "4243"], start_new_session=True)
    while not note.exists() or not note.read_text():
        time.sleep(0.01)
report(step=1, total_steps=2, loss=1.0)
if way == "restarts" and generation == 0:
    os.kill(os.getpid(), signal.SIGKILL)
if way == "restarts":
    assert not Path(f"/proc/{note.read_text()}").exists(), "the next start found what the one before had left behind"
while way == "waits":
    time.sleep(0.1)
report(step=2, total_steps=2, loss=0.5)
sys.exit(1 if way == "fails" else 0)
"""


@pytest.fixture
def start(laptop, write_job, tmp_path):
    """Starts a run whose script leaves something behind and then completes, fails, restarts or waits."""
    program = tmp_path / "script.py"
    program.write_text(SCRIPT)

    def go(way):
        script = {"command": [sys.executable, str(program), way, str(tmp_path / "note")]}
        laptop.start(
            write_job(recipe=None, data=None, training=None, checkpoint={}, script=script, workers={"replicas": 1},
                      policy={"maxRestarts": 3})
        )  # fmt: skip

    return go


def left_behind(laptop):
    return [pid for pid in laptop.processes() if Path(f"/proc/{pid}/comm").read_text() == "sleep\n"]


@pytest.mark.parametrize(("way", "exit_code"), [("completes", 0), ("fails", 1), ("restarts", 0)])
def test_nothing_is_left_of_a_script_that_ends_by_itself(laptop, start, way, exit_code):
    start(way)
    assert laptop.finish() == exit_code, laptop.status()
    assert laptop.processes() == {}
    if way == "restarts":
        assert [restart["reason"] for restart in laptop.status()["restarts"]] == ["Killed"]


@pytest.mark.parametrize("victim", ["nobody", "supervisor", "command"])
def test_nothing_is_left_of_a_script_that_is_stopped_or_whose_supervisor_or_command_is_killed(laptop, start, victim):
    start("waits")
    laptop.wait_until(lambda: len(left_behind(laptop)) == 2 and laptop.step() == 1)
    first = left_behind(laptop)
    if victim == "nobody":
        laptop.signal(signal.SIGINT)
        assert laptop.finish() == 130
        assert laptop.processes() == {}
    elif victim == "command":
        laptop.signal(signal.SIGKILL)
        laptop.finish()
        laptop.wait_for_no_process()
    else:
        os.kill(supervisor(laptop), signal.SIGKILL)
        laptop.wait_until(lambda: laptop.status()["attempt"] == 2)
        laptop.wait_until(lambda: not set(first) & set(left_behind(laptop)))
        laptop.signal(signal.SIGINT)
        assert laptop.finish() == 130
        assert laptop.processes() == {}


def supervisor(laptop):
    return next(
        p for p in laptop.processes() if "wattrain_worker" in Path(f"/proc/{p}/cmdline").read_text().split("\0")
    )
