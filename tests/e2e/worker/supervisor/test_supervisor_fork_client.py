"""Ranks that a fork server starts, in place of torch a server that imports nothing, and scripts in place of recipes."""

import contextlib
import os
import signal
import sys

import pytest

from wattrain_worker.supervisor import fork_client as module
from wattrain_worker.supervisor.fork_client import ForkServer
from wattrain_worker.supervisor.output import Log
from wattrain_worker.supervisor.rank_processes import Executed
from wattrain_worker.supervisor.rank_start import RankStart
from wattrain_worker.supervisor.ranks import Rank

from .conftest import is_alive, wait_until

LIGHT = """
import os, signal, subprocess, sys, threading, time
from wattrain_worker.train import forkserver

def preload():
    while not os.path.exists(os.environ.get("TEST_GATE", "/")):
        time.sleep(0.01)
    if "TEST_FAILS" in os.environ:
        sys.exit(7)
    if "TEST_THREAD" in os.environ:
        threading.Thread(target=time.sleep, args=(60,)).start()

def run_and_exit():
    print("parent", os.getppid(), "pid", os.getpid(), flush=True)
    exec(os.environ["TEST_SCRIPT"], globals())
    os._exit(0)

forkserver.preload, forkserver.run_and_exit = preload, run_and_exit
forkserver.run_and_end(int(sys.argv[1]))
"""
EXECUTED = "import os; exec(os.environ['TEST_INSTEAD'])"
STAYS = "time.sleep(60)"
SAVES = "signal.signal(15, lambda *_: (print('saved', flush=True), os._exit(75))); print('ready', flush=True); "


class Bench:
    """A fork server, and ranks whose output is read."""

    def __init__(self, directory, environment):
        self.directory, self.environment = directory, environment
        self.server = ForkServer(self._start(0, "", ""), lambda: None)
        self.ranks = []

    def _start(self, rank, script, instead):
        environment = {**self.environment, "RANK": str(rank), "TEST_SCRIPT": script, "TEST_INSTEAD": instead}
        return RankStart(rank, (sys.executable, "-m", "executed_rank"), environment)

    def begin(self, script, rank=0, instead="print('executed', flush=True)"):
        def begin(start, output_fd):
            return self.server.fork(start, output_fd) or Executed(start, output_fd)

        log = Log(str(self.directory / f"rank-{len(self.ranks)}.log"))
        started = Rank(self._start(rank, script, instead), log, [], lambda report: None, begin)
        self.ranks.append(started)
        return started

    def output(self, index=0):
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / f"rank-{index}.log").read_text()
        return ""

    def numbers(self, index=0):
        """Process ids of a rank's parent and of the rank itself, once it has said them."""
        words = wait_until(lambda: self.output(index).split(), "the rank says who it is")
        return int(words[3]), int(words[5])

    def ends(self, index=0):
        def look():
            self.ranks[index].poll()
            return self.ranks[index].gone

        wait_until(look, "the rank ends")
        return self.ranks[index].exit_code


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Makes benches; nothing of them is left afterwards."""
    (tmp_path / "light_forkserver.py").write_text(LIGHT)
    (tmp_path / "executed_rank.py").write_text(EXECUTED)
    monkeypatch.setattr(module, "_MODULE", "light_forkserver")
    with contextlib.ExitStack() as stack:

        def make(**environment):
            made = Bench(tmp_path, {**os.environ, "PYTHONPATH": str(tmp_path), **environment})
            stack.callback(made.server.close)
            return made

        yield make


def test_a_rank_is_forked_with_its_own_variables_and_output(bench):
    made = bench(OLD="kept", RANK="9")
    for rank in (0, 1):
        made.begin("print(os.environ['RANK'], os.environ['OLD'], open('/proc/self/comm').read().strip())", rank)
    assert [made.ends(0), made.ends(1)] == [0, 0]
    assert [made.ranks[n].last_line() for n in (0, 1)] == ["0 kept rank 0", "1 kept rank 1"]
    assert made.numbers(0)[0] == made.numbers(1)[0] != os.getpid()


@pytest.mark.parametrize(
    ("script", "exit_code"),
    [("pass", 0), ("os._exit(75)", 75), ("1 / 0", 1), ("os.kill(os.getpid(), 11)", -11)],
)
def test_how_a_rank_ended_is_known(bench, script, exit_code):
    made = bench()
    made.begin(script)
    assert made.ends() == exit_code


def test_what_a_rank_leaves_behind_ends_with_it(bench):
    made = bench()
    made.begin("print(subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL).pid, flush=True); os._exit(1)")
    assert made.ends() == 1
    helper = int(made.ranks[0].last_line())
    wait_until(lambda: not is_alive(helper), "the helper ends")


def test_a_rank_is_asked_to_end_and_is_ended(bench):
    made = bench()
    for _ in range(2):
        made.begin(SAVES + STAYS)
    for index in (0, 1):
        wait_until(lambda index=index: "ready" in made.output(index), "it is ready")
        wait_until(lambda index=index: made.server.news_of(index), "its number is known, by which it is asked to end")
    made.ranks[0].process.terminate()
    made.ranks[1].process.kill()
    assert [made.ends(0), made.ends(1)] == [75, -9]
    assert made.ranks[0].last_line() == "saved"


def test_a_rank_that_waits_for_the_imports_ends_at_once(bench, tmp_path):
    made = bench(TEST_GATE=str(tmp_path / "gate"))
    made.begin(STAYS)
    made.ranks[0].process.terminate()
    assert made.ends() == -signal.SIGTERM
    made.begin(STAYS)
    assert made.ends(1) == 0
    assert made.ranks[1].last_line() == "executed"  # its server has gone with the other


def test_a_stop_of_all_processes_leaves_a_rank_its_time_to_save(bench):
    made = bench()
    made.begin(SAVES + STAYS)
    parent, pid = made.numbers()
    wait_until(lambda: "ready" in made.output(), "it is ready")
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(parent, number)
    os.kill(pid, signal.SIGTERM)
    assert made.ends() == 75
    assert made.ranks[0].last_line() == "saved"


def test_a_stop_while_a_rank_is_being_forked_leaves_the_others_their_time(bench):
    made = bench()
    made.begin(SAVES + STAYS)
    parent, _ = made.numbers()
    wait_until(lambda: "ready" in made.output(), "it is ready")
    os.kill(parent, signal.SIGSTOP)
    made.begin(STAYS, rank=1)
    for rank in made.ranks:
        rank.process.terminate()
    os.kill(parent, signal.SIGCONT)
    assert [made.ends(0), made.ends(1)] == [75, -signal.SIGTERM]
    made.begin("pass")
    assert made.ends(2) == 0
    assert made.numbers(2)[0] == parent  # the server is still there


def test_a_rank_that_ends_with_a_strange_error_shows_it(bench):
    made = bench()
    made.begin("raise KeyboardInterrupt('strange')")
    assert made.ends() == 1
    assert made.ranks[0].last_line() == "KeyboardInterrupt: strange"


@pytest.mark.parametrize("trouble", ["TEST_FAILS", "TEST_THREAD"])
def test_where_importing_fails_or_starts_threads_ranks_are_executed_and_say_why_themselves(bench, trouble):
    made = bench(**{trouble: "1"})
    made.begin(STAYS, instead="import sys; print('no torch', flush=True); sys.exit(4)")
    assert made.ends() == 4
    assert made.ranks[0].last_line() == "no torch"
    wait_until(lambda: made.server._process.poll() is not None, "the server ends")


def test_the_ranks_of_a_server_that_is_killed_are_killed_and_the_next_are_executed(bench):
    made = bench()
    made.begin(STAYS)
    parent, pid = made.numbers()
    os.kill(parent, signal.SIGKILL)
    assert made.ends() == -signal.SIGKILL
    wait_until(lambda: not is_alive(pid), "the rank ends")
    made.begin(STAYS)
    assert made.ends(1) == 0
    assert made.ranks[1].last_line() == "executed"


def test_a_rank_that_is_gone_keeps_its_number_until_that_is_known(bench):
    made = bench()
    made.begin("os._exit(0)")
    _, pid = made.numbers()
    wait_until(lambda: not is_alive(pid), "the rank ends")
    os.kill(pid, 0)  # nobody has looked at it yet
    assert made.ends() == 0

    def is_free():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_until(is_free, "the number is free")
