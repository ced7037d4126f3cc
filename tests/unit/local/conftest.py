import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wattrain_api.powerdomain import PowerDomain
from wattrain_api.trainingjob import ObjectMeta, TrainingJob
from wattrain_operator.local.rundir import RunDirectory

FAKE_SUPERVISOR = (sys.executable, str(Path(__file__).parent / "fake_supervisor.py"))
DOCUMENT = {
    "metadata": {"name": "demo"},
    "spec": {
        "recipe": {"name": "mlp"},
        "data": {"source": {"builtin": "digits"}},
        "training": {"epochs": 2},
        "workers": {"replicas": 2},
    },
}


@pytest.fixture
def make_job() -> Callable[..., TrainingJob]:
    """A job of two workers; keywords become variables of its workers, or replace parts of its spec."""

    def make(*, replicas: int = 2, policy: dict | None = None, **env: object) -> TrainingJob:
        variables = [{"name": name, "value": str(value)} for name, value in env.items()]
        workers = {"replicas": replicas, "env": variables}
        return TrainingJob.model_validate(
            {**DOCUMENT, "spec": {**DOCUMENT["spec"], "workers": workers, "policy": policy or {}}}
        )

    return make


@pytest.fixture
def domain() -> PowerDomain:
    return PowerDomain(metadata=ObjectMeta(name="default"))


@pytest.fixture
def fake_supervisor() -> tuple[str, ...]:
    return FAKE_SUPERVISOR


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[RunDirectory]:
    with contextlib.closing(RunDirectory.open(tmp_path / "run", wait_seconds=0)) as opened:
        yield opened


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits for a condition, for at most `seconds`."""

    def wait(condition: Callable[[], object], seconds: float = 20, what: str = "the condition") -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
            time.sleep(0.02)

    return wait
