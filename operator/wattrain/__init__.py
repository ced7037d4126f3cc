"""Wattrain from Python, and so from a notebook: `wattrain.run("job.yaml")` trains and returns the receipt.

docs/python.md describes it. What a call needs is imported by the call: `import wattrain` itself takes no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wattrain.run_receipt import RunReceipt
    from wattrain.running import JobFailed, JobRefused, run

__all__ = ["JobFailed", "JobRefused", "RunReceipt", "run"]


def __getattr__(name: str) -> Any:
    if name == "RunReceipt":
        from wattrain.run_receipt import RunReceipt

        return RunReceipt
    if name in __all__:
        from wattrain import running

        return getattr(running, name)
    raise AttributeError(f"module 'wattrain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
