"""A machine within the machine: own processes, mounts and network, so that a whole node leaves nothing behind.

Everything inside ends with its first process, which the kernel ends with us; mounts, interfaces, routes and iptables
rules go with it, because they exist in its namespaces alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.daemon import Daemon, DaemonError, children_of, wait_for
from harness.unavailable import UnavailableError

HOST_ADDRESS = "10.99.0.1"
"""Of this machine, seen from the sandbox."""
NODE_ADDRESS = "10.99.0.2"
"""Of the sandbox, seen from this machine."""
POD_RANGE = "10.98.0.0/16"
_LINK = "wattrain0"
_PREFIX = 24
# Programs of a node write below these whatever they are told; inside they are empty at first and in memory.
_OWN_DIRECTORIES = ("/run", "/var/log", "/var/lib/cni")
_WAIT = "while sleep 3600; do :; done"  # the shell buries orphans meanwhile, as a first process must


class Sandbox:
    """Namespaces with a network link to this machine. `folder` is seen at the same path inside and outside."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._ready = folder / "sandbox-is-ready"
        mounts = [f"mkdir -p {path} && mount -t tmpfs none {path}" for path in _OWN_DIRECTORIES]
        first = " && ".join([*mounts, f"touch {self._ready}", _WAIT])
        command = ["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "sh", "-c", first]
        self._init = Daemon("sandbox", command, folder / "sandbox.log")

    def open(self, routes: Sequence[str]) -> None:
        """Start it, and lead `routes` (ranges of addresses) there from this machine."""
        self._init.start(self._ready.exists)
        _run("ip", "link", "add", _LINK, "type", "veth", "peer", "name", "eth0", "netns", str(self._pid()))
        _run("ip", "address", "add", f"{HOST_ADDRESS}/{_PREFIX}", "dev", _LINK)
        _run("ip", "link", "set", _LINK, "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", f"{NODE_ADDRESS}/{_PREFIX}", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        for route in routes:  # none leads from there to the world: nothing inside can leave this machine
            _run("ip", "route", "add", route, "via", NODE_ADDRESS)

    def close(self) -> None:
        """End every process inside; the kernel removes the rest."""
        self._init.kill()
        # The kernel takes the link down a little later, and the next sandbox wants the same name.
        wait_for(lambda: not Path("/sys/class/net", _LINK).exists(), seconds=30, what=f"{_LINK} to disappear")

    def daemon(self, name: str, command: Sequence[str | Path]) -> Daemon:
        """A process inside."""
        return _Inside(name, [*self._enter(), *_END_TOGETHER, *command], self.folder / f"{name}.log")

    def run(self, *command: str | Path) -> str:
        """Run `command` inside to its end; its output."""
        return _run(*self._enter(), *command)

    def _enter(self) -> list[str]:
        return ["nsenter", f"--target={self._pid()}", "--net", "--pid", "--mount", "--"]

    def _pid(self) -> int:
        """The first process inside, by its number outside."""
        return children_of(self._init.pid)[0]


class _Inside(Daemon):
    """nsenter waits outside for the process inside. Killed itself it would leave it to this machine's first process."""

    def _target(self) -> int:
        return next(iter(children_of(self.pid)), self.pid)


_END_TOGETHER = ("setpriv", "--pdeathsig", "KILL")


def check_possible() -> None:
    """UnavailableError where this machine cannot be a node."""
    if os.geteuid() != 0:
        raise UnavailableError("a real node needs root")
    needed = ("unshare", "nsenter", "setpriv", "ip", "iptables", "conntrack", "containerd", "runc", "ctr")
    missing = [program for program in needed if shutil.which(program) is None]
    if missing:
        raise UnavailableError(f"a real node needs {', '.join(missing)}: run tests/cluster/install-packages.sh")
    if subprocess.run(["unshare", "--net", "--pid", "--mount", "--fork", "true"], check=False).returncode:
        raise UnavailableError("a real node needs namespaces of its own, which this machine does not allow")


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DaemonError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.returncode}")
    return done.stdout
