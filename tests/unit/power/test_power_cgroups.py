"""Finding the worker's cgroup in every layout, and its CPU time."""

import pytest

from wattrain_worker.power import cgroups, cpu_time
from wattrain_worker.power.power_notices import Notices
from wattrain_worker.power.process_tree import ProcessTree


@pytest.fixture
def find(machine, said):
    def found(scope="cgroup"):
        return cpu_time.find(machine.root, scope, list, Notices(said))

    return found


def test_version_2_of_a_host_is_read_at_the_path_of_the_process(machine, find):
    machine.hierarchy(2, "", "/user.slice/job.scope", "/sys/fs/cgroup")
    machine.cpu_stat("sys/fs/cgroup/user.slice/job.scope", 12.5)
    assert find().seconds() == pytest.approx(12.5)


def test_version_2_of_a_container_is_read_at_the_mount_point(machine, find):
    machine.pod(cpu_seconds=3.25)
    assert find().seconds() == pytest.approx(3.25)


def test_version_1_of_a_container_without_a_namespace_is_read_below_the_mounted_root(machine, find):
    machine.hierarchy(
        1, "cpu,cpuacct", "/kubepods/pod1/c1", "/sys/fs/cgroup/cpu,cpuacct", mount_root="/kubepods/pod1/c1"
    )
    machine.write("sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", 7_000_000_000)
    assert find().seconds() == pytest.approx(7.0)


def test_version_1_of_a_host_is_read_at_the_path_of_the_process(machine, find):
    machine.hierarchy(1, "cpuacct", "/kubepods/pod1/c1", "/sys/fs/cgroup/cpuacct")
    machine.write("sys/fs/cgroup/cpuacct/kubepods/pod1/c1/cpuacct.usage", 2_500_000_000)
    assert find().seconds() == pytest.approx(2.5)


def test_in_a_hybrid_the_hierarchy_of_the_controller_is_trusted(machine, find):
    machine.hierarchy(1, "cpuacct", "/kubepods/pod1/c1", "/sys/fs/cgroup/cpuacct", mount_root="/kubepods/pod1/c1")
    machine.hierarchy(2, "", "/system.slice/containerd.service", "/sys/fs/cgroup/unified")
    machine.write("sys/fs/cgroup/cpuacct/cpuacct.usage", 1_000_000_000)
    machine.cpu_stat("sys/fs/cgroup/unified/system.slice/containerd.service", 99_999.0)
    assert find().seconds() == pytest.approx(1.0)


def test_a_hybrid_whose_controller_cannot_be_read_falls_back_on_version_2(machine, find):
    machine.hierarchy(1, "cpuacct", "/job", "/sys/fs/cgroup/cpuacct")
    machine.hierarchy(2, "", "/job", "/sys/fs/cgroup/unified")
    machine.cpu_stat("sys/fs/cgroup/unified/job", 4.0)
    assert find().seconds() == pytest.approx(4.0)


def test_the_root_cgroup_of_a_machine_is_not_taken_for_the_worker(machine, find, said):
    machine.hierarchy(2, "", "/", "/sys/fs/cgroup")
    machine.write("sys/fs/cgroup/cpu.stat", "usage_usec 123456789")
    assert isinstance(find(), ProcessTree)
    assert "no cgroup of its own" in said.getvalue()


def test_the_root_cgroup_of_version_1_is_not_taken_for_the_worker(machine, find):
    machine.hierarchy(1, "cpuacct", "/", "/sys/fs/cgroup/cpuacct")
    machine.write("sys/fs/cgroup/cpuacct/release_agent", "")
    machine.write("sys/fs/cgroup/cpuacct/cpuacct.usage", 1)
    assert isinstance(find(), ProcessTree)


@pytest.mark.parametrize("cgroup", ["/../other", "/../../kubepods/pod1"])
def test_a_cgroup_outside_of_the_namespace_is_not_guessed(machine, find, cgroup):
    machine.hierarchy(2, "", cgroup, "/sys/fs/cgroup")
    machine.cpu_stat("sys/fs/cgroup", 5.0)
    assert isinstance(find(), ProcessTree)


def test_scope_process_leaves_the_cgroup_alone(machine, find, said):
    machine.pod(cpu_seconds=3)
    assert isinstance(find("process"), ProcessTree)
    assert said.getvalue() == ""


def test_a_cgroup_that_goes_away_gives_no_time_and_no_error(machine, find):
    machine.pod(cpu_seconds=3)
    found = find()
    (machine.root / "sys/fs/cgroup/cpu.stat").write_text("gone")
    assert found.seconds() is None
    found.close()
    assert found.seconds() is None


@pytest.mark.parametrize(("quota", "cpus"), [("250000 100000", 2.5), ("max 100000", None), ("", None)])
def test_quota_of_version_2(machine, quota, cpus):
    machine.pod()
    machine.write("sys/fs/cgroup/cpu.max", quota)
    assert cgroups.cpu_quota(machine.root) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [(50_000, 0.5), (-1, None)])
def test_quota_of_version_1(machine, quota, cpus):
    machine.hierarchy(1, "cpu", "/job", "/sys/fs/cgroup/cpu")
    machine.write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", quota)
    machine.write("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", 100_000)
    assert cgroups.cpu_quota(machine.root) == cpus
