"""`wattrain agent`: becomes the node agent, which is a program of the workers."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import typer

from wattrain_operator.cli.refusal import say_no
from wattrain_operator.local.refused import EXIT_BAD_INPUT


def run_agent(context: typer.Context) -> None:
    """Limit the GPUs of this node for pods that ask for it, until SIGTERM; docs/node-agent.md.

    `--restore` restores what an agent that died has left, and ends. Exit code: 0, 1 failed, 2 bad input.
    """
    if find_spec("wattrain_worker") is None:
        say_no(["the agent is not installed: pip install 'wattrain[worker]'"], EXIT_BAD_INPUT, as_json=False)
        raise typer.Exit(EXIT_BAD_INPUT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "wattrain_worker.agent", *context.args])
