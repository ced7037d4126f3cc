"""Orphans, as a supervisor adopts them: ended however they hide, and their CPU time counted."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lets a process adopt orphans")

PRELUDE = """
import os, time
from pathlib import Path
from wattrain_api.orphans import adopt_orphans, end_orphans, reap_orphans
from wattrain_worker.power.process_tree import ProcTable, ProcessTree
BURNT_SECONDS = 0.2

def burn():
    while sum(os.times()[:2]) < BURNT_SECONDS:
        pass

def daemon(work):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            work()
        os._exit(0)
    os.wait()

def own_child():
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(read_fd, 1)
        os._exit(0)
    return pid

assert adopt_orphans()
tree = ProcessTree(ProcTable(Path("/")), lambda: [], os.getpid())
before = tree.seconds()
"""


def run(script):
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.split()


def test_the_cpu_time_of_an_orphan_that_has_been_reaped_between_two_samples_is_counted():
    [seconds] = run("""
daemon(burn)
while Path("/proc/self/task", str(os.getpid()), "children").read_text():
    reap_orphans(lambda pid: False)
    time.sleep(0.01)
print(tree.seconds() - before)
""")
    assert 0.15 < float(seconds) < 2


def test_the_cpu_time_of_an_orphan_that_is_ended_is_counted():
    [seconds, names, none_left] = run("""
read_fd, write_fd = os.pipe()
def work():
    burn()
    os.write(write_fd, b"x")
    time.sleep(600)
daemon(work)
os.read(read_fd, 1)
ended = end_orphans(lambda pid: False, 10)
print(tree.seconds() - before, len(ended.names), ended.none_left)
""")
    assert 0.15 < float(seconds) < 2
    assert (names, none_left) == ("1", "True")


def test_what_forks_on_and_on_is_ended_and_what_is_waited_for_elsewhere_is_not():
    [none_left, own_lives] = run("""
own = own_child()
def work():
    for _ in range(5_000):
        if os.fork():
            os._exit(0)
        os.setsid()
daemon(work)
ended = end_orphans(lambda pid: pid == own, 10)
print(ended.none_left, os.waitpid(own, os.WNOHANG) == (0, 0))
os.kill(own, 9)
""")
    assert (none_left, own_lives) == ("True", "True")


def test_what_is_below_an_orphan_is_ended_with_it():
    [none_left] = run("""
read_fd, write_fd = os.pipe()
def work():
    for _ in range(4):
        if os.fork():
            time.sleep(600)
        os.setsid()
    os.write(write_fd, b"x")
    time.sleep(600)
daemon(work)
os.read(read_fd, 1)
end_orphans(lambda pid: False, 10)
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("True")
""")
    assert none_left == "True"
