"""CPU time of a process tree: exits, reaping, orphans and reused numbers."""

import os
import queue
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattrain_worker.power.process_tree import Process, ProcessTree, ProcTable, PsTable, ps_seconds

OWN = 10


@pytest.fixture
def tree(machine):
    machine.process(1, 0, own=500)
    machine.process(OWN, 1, own=1)
    return ProcessTree(ProcTable(machine.root), list, OWN)


def test_descendants_count_and_strangers_do_not(machine, tree):
    machine.process(11, OWN, own=2)
    machine.process(12, 11, own=4, reaped=8)
    machine.process(20, 1, own=100)
    assert tree.seconds() == pytest.approx(1 + 2 + 12)
    assert tree.live_pids() == {OWN, 11, 12}


def test_a_named_process_that_also_descends_from_another_counts_once(machine):
    for pid, parent in ((OWN, 1), (11, OWN), (12, 11), (30, 1)):
        machine.process(pid, parent, own=1)
    tree = ProcessTree(ProcTable(machine.root), lambda: [12, 30, 11, 12, 999], OWN)
    assert tree.seconds() == pytest.approx(4)


def test_a_child_that_is_reaped_between_two_looks_counts_once(machine, tree):
    machine.process(11, OWN, own=50)
    assert tree.seconds() == pytest.approx(51)
    machine.end(11)
    machine.process(OWN, 1, own=1, reaped=52)  # it used two more seconds before it ended
    assert tree.seconds() == pytest.approx(53)


def test_a_child_that_nobody_reaps_is_kept(machine, tree):
    machine.process(11, OWN, own=50)
    tree.seconds()
    machine.end(11)
    machine.process(OWN, 1, own=3)
    assert tree.seconds() == pytest.approx(53)


def test_an_orphan_stays_ours(machine, tree):
    machine.process(11, OWN, own=5)
    machine.process(12, 11, own=7)
    tree.seconds()
    machine.end(11)
    machine.process(OWN, 1, own=1, reaped=5)
    machine.process(12, 1, own=9)
    assert tree.seconds() == pytest.approx(1 + 5 + 9)


def test_a_number_that_is_used_again_by_a_stranger_is_not_ours(machine, tree):
    machine.process(11, OWN, own=5, started=1)
    tree.seconds()
    machine.process(OWN, 1, own=1, reaped=5)
    machine.process(11, 1, own=77, started=2)
    assert tree.seconds() == pytest.approx(6)


def test_a_child_that_is_reaped_in_the_middle_of_a_look_counts_once(machine):
    class Racing(ProcTable):
        """Lets the child end and be reaped after the list was made, before the child is read again."""

        def again(self, process):
            if process.pid == 11 and (machine.root / "proc/11/stat").exists():
                machine.end(11)
                machine.process(OWN, 1, own=1, reaped=50)
            return super().again(process)

    machine.process(OWN, 1, own=1)
    machine.process(11, OWN, own=50)
    tree = ProcessTree(Racing(machine.root), list, OWN)
    assert [tree.seconds(), tree.seconds()] == pytest.approx([51, 51])


def test_a_tree_that_never_holds_still_gives_the_last_answer(machine):
    class Restless(ProcTable):
        restless = False

        def again(self, process):
            return None if self.restless else super().again(process)

    machine.process(OWN, 1, own=4)
    table = Restless(machine.root)
    tree = ProcessTree(table, list, OWN)
    assert tree.seconds() == pytest.approx(4)
    table.restless = True
    machine.process(OWN, 1, own=8)
    assert tree.seconds() == pytest.approx(4)


class World:
    """Processes that start, work, end, are reaped, or are lost; it knows what the tree under OWN really used."""

    def __init__(self):
        self.living = {1: Process(1, 0, 0, 0.0, 0.0), OWN: Process(OWN, 1, 1, 0.0, 0.0)}
        self.zombies = set()
        self.started = 1
        self.used = 0.0
        self.ours = {OWN}

    def below(self, _):
        return dict(self.living)

    def again(self, process):
        return self.living.get(process.pid)

    def choose(self, choice):
        able = sorted(self.ours & set(self.living) - self.zombies)
        return able[choice % len(able)]

    def spawn(self, choice, pid):
        if pid not in self.living:
            self.started += 1
            self.living[pid] = Process(pid, self.choose(choice), self.started, 0.0, 0.0)
            self.ours.add(pid)

    def work(self, choice, amount):
        pid = self.choose(choice)
        self.living[pid] = self.living[pid]._replace(own=self.living[pid].own + amount)
        self.used += amount

    def end(self, choice, _):
        pid = self.choose(choice)
        if pid != OWN:
            self.zombies.add(pid)
            for child in [p for p in self.living.values() if p.parent == pid]:
                self.living[child.pid] = child._replace(parent=1)

    def reap(self, choice, _):
        """Waited for by the parent, or by process 1 where the parent is gone: outside of the tree."""
        for pid in sorted(self.zombies)[: 1 + choice % 2]:
            parent = self.living[self.living[pid].parent]
            self.living[parent.pid] = parent._replace(reaped=parent.reaped + self.living[pid].total)
            self.vanish(pid)

    def lose(self, choice, _):
        """Ends without anybody being told, as where SIGCHLD is ignored."""
        for pid in sorted(self.zombies)[:1]:
            self.vanish(pid)

    def vanish(self, pid):
        del self.living[pid]
        self.zombies.discard(pid)
        self.ours.discard(pid)


acts = st.tuples(
    st.sampled_from(["spawn", "work", "work", "end", "reap", "lose"]), st.integers(0, 9), st.integers(11, 30)
)


@given(rounds=st.lists(st.lists(acts, max_size=6), max_size=15))
def test_the_sum_never_falls_and_never_exceeds_what_was_used(rounds):
    world = World()
    tree = ProcessTree(world, list, OWN)
    last = tree.seconds()
    for some in rounds:
        for act, choice, value in some:
            getattr(world, act)(choice, value)
        seconds = tree.seconds()
        assert last <= seconds <= world.used
        last = seconds


@given(rounds=st.lists(acts, max_size=40))
def test_with_a_look_after_every_change_nothing_is_missed(rounds):
    world = World()
    tree = ProcessTree(world, list, OWN)
    for act, choice, value in rounds:
        getattr(world, act)(choice, value)
        assert tree.seconds() == pytest.approx(world.used)


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:00:07", 7), ("1-02:03:04", 93_784), ("12:34.56", 754.56), ("0:00.00", 0)]
)
def test_every_way_in_which_ps_writes_time_is_read(text, seconds):
    assert ps_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("make", [lambda: ProcTable(Path("/")), PsTable], ids=["proc", "ps"])
def test_the_real_process_table_shows_this_process_and_its_child(make):
    there = shutil.which("ps") if make is PsTable else Path("/proc/self/stat").exists()
    if not there:
        pytest.skip("this machine has no such table")
    table = make()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        found = table.below([os.getpid()])
        assert found[child.pid].parent == os.getpid()
        assert table.again(found[os.getpid()]).identity == found[os.getpid()].identity
    finally:
        child.communicate(b"\n", timeout=20)


needs_lists = pytest.mark.skipif(
    not any(Path("/proc/self/task").glob("*/children")), reason="this kernel keeps no lists of children"
)


@needs_lists
def test_only_this_worker_s_processes_are_read_and_those_that_a_thread_has_started_are_among_them():
    read = set()

    class Watched(ProcTable):
        def _read(self, pid):
            read.add(pid)
            return super()._read(pid)

    looked, started = threading.Event(), queue.Queue()

    def start():
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            started.put(child.pid)
            looked.wait(20)

    thread = threading.Thread(target=start)
    thread.start()
    child = started.get(timeout=20)
    tree = ProcessTree(Watched(Path("/")), list, os.getpid())
    tree.seconds()
    looked.set()
    thread.join()
    assert {os.getpid(), child} <= tree.live_pids()
    assert os.getppid() not in read


@needs_lists
def test_a_child_that_a_list_lacks_for_a_moment_counts_once():
    class Lacking(ProcTable):
        lacks = False

        def _children(self, pid):
            return [] if self.lacks else super()._children(pid)

    table = Lacking(Path("/"))
    with subprocess.Popen(
        [sys.executable, "-c", "print(1, flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        tree = ProcessTree(table, list, os.getpid())
        tree.seconds()
        table.lacks = True
        assert child.pid in tree.live_pids()
        tree.seconds()
        table.lacks = False
        tree.seconds()
        assert child.pid in tree.live_pids()
        assert tree._lost == 0
        child.communicate(b"\n", timeout=20)
