"""`python -m wattrain_worker.agent`, which `wattrain agent` starts: the node agent, until SIGTERM."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final

from wattrain_api import names
from wattrain_worker.agent.agent_loop import LOOK_SECONDS, AgentLoop
from wattrain_worker.agent.gpu_control import GpuControl
from wattrain_worker.agent.gpu_limiter import GpuLimiter
from wattrain_worker.agent.kept_settings import KeptSettings, UnreadableSettingsError
from wattrain_worker.agent.node_pods import NodePods

DEFAULT_STATE: Final = "/var/lib/wattrain/gpus.json"
_BAD_INPUT: Final = 2


def main(arguments: list[str] | None = None) -> int:
    """Limit GPUs until SIGTERM or Ctrl-C, and restore them then. Exit code: 0, 1 failed, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="wattrain agent", description="Limits the GPUs of this node for pods that ask."
    )
    parser.add_argument(
        "--state", default=DEFAULT_STATE, help="file that says how GPUs were before (default %(default)s)"
    )
    parser.add_argument("--restore", action="store_true", help="restore what an agent that died has left, and end")
    options = parser.parse_args(arguments)
    try:
        kept = KeptSettings(Path(options.state))
    except (UnreadableSettingsError, OSError) as error:
        return _fail(_BAD_INPUT, f"{error}; reset the GPUs with nvidia-smi, and remove it")
    nvml = _start_nvml()
    if isinstance(nvml, str):
        return _fail(1, nvml)
    control = GpuControl(nvml)
    limiter = GpuLimiter(control, kept, _say)
    if options.restore:
        limiter.restore_except(())
        return _fail(1, f"not restored: {', '.join(left)}") if (left := kept.uuids()) else 0
    node, host = os.environ.get(names.ENV_NODE, ""), os.environ.get("KUBERNETES_SERVICE_HOST", "")
    if not node or not host:
        return _fail(
            _BAD_INPUT, f"{names.ENV_NODE} or KUBERNETES_SERVICE_HOST is not set; docs/node-agent.md says how it is run"
        )
    address = f"[{host}]" if ":" in host else host
    server = f"https://{address}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}"
    return _run(AgentLoop(control, limiter, NodePods(server, node), Path("/"), _say), kept)


def _run(loop: AgentLoop, kept: KeptSettings) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        while not stop.is_set():
            loop.make_pass()
            stop.wait(LOOK_SECONDS)
    finally:
        loop.end()
    return _fail(1, f"not restored: {', '.join(left)}; the next agent will") if (left := kept.uuids()) else 0


def _start_nvml() -> Any:
    """pynvml, initialized; a text: why there is none."""
    try:
        import pynvml
    except ImportError:
        return "the package nvidia-ml-py is not installed: pip install 'wattrain[worker]'"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return f"there is no NVIDIA GPU that can be managed here ({error}); keep the agent to nodes that have some"
    return pynvml


def _say(sentence: str) -> None:
    sys.stderr.write(f"wattrain agent: {sentence}\n")
    sys.stderr.flush()


def _fail(code: int, sentence: str) -> int:
    _say(sentence)
    return code


if __name__ == "__main__":
    sys.exit(main())
