"""The package `kubernetes` without its synchronous client.

`kubernetes/__init__.py` imports both clients, and kopf asks for the synchronous one, for two classes of models that it
does without where they cannot be imported. That client brings requests, oauthlib, websocket and, where it is installed,
google-auth: 7 MB of memory, or 17, and a third of the operator's start, for what nobody here calls.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType


def import_kopf() -> None:
    """Import kopf, and leave a `kubernetes` whose parts can be imported, `kubernetes.aio` above all, and whose
    `__init__` has not run. Where somebody has imported it before, nothing changes."""
    spec = None if "kubernetes" in sys.modules else find_spec("kubernetes")
    if spec is None:
        return
    package = ModuleType("kubernetes")
    package.__spec__, package.__path__ = spec, list(spec.submodule_search_locations or ())
    sys.modules["kubernetes"] = package
    sys.modules["kubernetes.client"] = None  # type: ignore[assignment]  # what Python takes for: not to be found
    try:
        importlib.import_module("kopf")
    finally:
        del sys.modules["kubernetes.client"]
