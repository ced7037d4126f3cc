"""A fake machine under tmp_path, a fake pynvml, and a clock that only moves when told."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

TICKS = 100


class FakeMachine:
    """Files as the kernel shows them, below a root of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.memberships: list[str] = []
        self.mounts: list[str] = []
        self.write("proc/self/stat", "1 (self) S 0")
        self.node(busy_seconds=0, idle_seconds=0)

    def write(self, path: str, text: object) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
        return file

    def node(self, busy_seconds: float, idle_seconds: float) -> None:
        busy, idle = round(busy_seconds * TICKS), round(idle_seconds * TICKS)
        self.write("proc/stat", f"cpu  {busy} 0 0 {idle} 0 0 0 7777 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0")

    def hierarchy(self, version: int, controllers: str, cgroup: str, mount_point: str, mount_root: str = "/") -> None:
        """Join `cgroup` of a hierarchy that is mounted at `mount_point`."""
        kind = "cgroup2 cgroup2 rw" if version == 2 else f"cgroup cgroup rw,{controllers}"
        number = 0 if version == 2 else len(self.memberships) + 1
        self.memberships.append(f"{number}:{controllers}:{cgroup}")
        self.mounts.append(f"{len(self.mounts) + 30} 23 0:28 {mount_root} {mount_point} rw,relatime - {kind}")
        self.write("proc/self/cgroup", "\n".join(self.memberships))
        self.write("proc/self/mountinfo", "\n".join(["22 1 8:1 / / rw - ext4 /dev/sda rw", *self.mounts]))

    def cpu_stat(self, directory: str, seconds: float) -> None:
        self.write(f"{directory}/cgroup.type", "domain")
        self.write(f"{directory}/cpu.stat", f"usage_usec {round(seconds * 1e6)}\nuser_usec 1\nsystem_usec 1")

    def pod(self, cpu_seconds: float = 0.0) -> None:
        """A container with a cgroup namespace of its own, as Kubernetes makes it on cgroup v2."""
        if not self.memberships:
            self.hierarchy(2, "", "/", "/sys/fs/cgroup")
        self.cpu_stat("sys/fs/cgroup", cpu_seconds)

    def zone(self, path: str, name: str, joules: float, range_joules: float = 262_143.0) -> Path:
        directory = f"sys/class/powercap/{path}"
        self.write(f"{directory}/name", name)
        self.write(f"{directory}/max_energy_range_uj", round(range_joules * 1e6))
        return self.write(f"{directory}/energy_uj", round(joules * 1e6))

    def process(self, pid: int, parent: int, own: float = 0.0, reaped: float = 0.0, started: int = 1) -> None:
        """A line of the process table; the name holds what makes naive parsers fail."""
        times = f"{round(own * TICKS)} 0 {round(reaped * TICKS)} 0"
        self.write(f"proc/{pid}/stat", f"{pid} (a) b (c) S {parent} 1 1 0 -1 0 0 0 0 0 {times} 20 0 1 0 {started} 0 0")

    def end(self, pid: int) -> None:
        (self.root / f"proc/{pid}/stat").unlink()


class FakeNvml:
    """What the sampler uses of pynvml, for GPUs that a test describes."""

    NVML_DEVICE_ARCH_KEPLER = 2

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.gpus: list[SimpleNamespace] = []
        self.shut_down = False

    def add(self, uuid: str, **values: object) -> SimpleNamespace:
        defaults = {
            "uuid": uuid, "product": "NVIDIA H100", "joules": 1000.0, "watts": 100.0, "limit_watts": 700.0,
            "mig": False, "users": (), "broken": False,
            "most_watts": None, "architecture": 9,
        }  # fmt: skip
        gpu = SimpleNamespace(**{**defaults, **values})
        self.gpus.append(gpu)
        return gpu

    def _told(self, handle: SimpleNamespace, value: object) -> object:
        if handle.broken or value is None:
            raise self.NVMLError("GPU is lost" if handle.broken else "Not Supported")
        return value

    def nvmlInit(self) -> None: ...  # noqa: N802

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.shut_down = True

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        gpu = next(g for g in self.gpus if g.uuid == uuid)
        return self._told(gpu, gpu)

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return handle.uuid

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return handle.product.encode()

    def nvmlDeviceGetMigMode(self, handle):  # noqa: N802
        return [int(self._told(handle, handle.mig)), 0]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        return round(self._told(handle, handle.joules) * 1000)

    def nvmlDeviceGetPowerUsage(self, handle):  # noqa: N802
        return round(self._told(handle, handle.watts) * 1000)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle):  # noqa: N802
        return round(self._told(handle, handle.limit_watts) * 1000)

    def nvmlDeviceGetPowerManagementLimitConstraints(self, handle):  # noqa: N802
        return [100_000, round(self._told(handle, handle.most_watts or handle.limit_watts) * 1000)]

    def nvmlDeviceGetArchitecture(self, handle):  # noqa: N802
        return self._told(handle, handle.architecture)

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802
        return [SimpleNamespace(pid=pid) for pid in self._told(handle, handle.users)]


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: TICKS)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    return FakeMachine(tmp_path)


@pytest.fixture
def nvml():
    return FakeNvml()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def said():
    """What was said on standard error."""
    return io.StringIO()


@pytest.fixture
def sampler(machine, nvml, clock, said, monkeypatch):
    """Makes samplers of the fake machine; their thread is not started, so that samples are taken when asked for."""
    from wattrain_worker.power import PowerSampler

    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    made = []

    def make(pids=list, registered=None, **environ):
        found = PowerSampler.from_environment(pids, environ, machine.root, clock, said, registered)
        made.append(found)
        found.readings()
        return found

    yield make
    for found in made:
        found.stop()


@pytest.fixture(scope="session")
def make_nvml():
    return FakeNvml


@pytest.fixture(scope="session")
def quiet():
    return io.StringIO()
