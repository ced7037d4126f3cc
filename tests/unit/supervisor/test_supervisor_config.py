"""What a supervisor is told, and what it says when that cannot work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wattrain_worker.supervisor.config import ConfigError, read_config


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return with_spec(tmp_path, {"recipe": {"name": "mlp"}})


def with_spec(directory: Path, spec: Any) -> dict[str, str]:
    file = directory / "spec.json"
    file.write_text(spec if isinstance(spec, str) else json.dumps(spec))
    return {"WATTRAIN_SPEC": str(file)}


def test_what_is_not_told_has_a_default(environ: dict[str, str]) -> None:
    config = read_config(environ)
    assert (config.worker, config.workers, config.port, config.attempt, config.restarts_left) == (0, 1, 9400, 1, 0)
    assert (config.command, config.processes_per_worker, config.launcher) == ((), 1, "native")
    assert (config.termination_file, config.uid) == ("/dev/termination-log", "")


def test_a_supervisor_knows_the_uid_of_its_child(environ: dict[str, str]) -> None:
    assert read_config({**environ, "WATTRAIN_CHILD_UID": "uid-7"}).uid == "uid-7"


def test_the_address_of_the_coordinator_may_be_a_name_or_ipv6(environ: dict[str, str]) -> None:
    group = {"WATTRAIN_WORKERS": "2", "WATTRAIN_WORKER_INDEX": "1", "WATTRAIN_GROUP_TOKEN": "x"}
    for text, expected in (("a-0.a.ns:9400", ("a-0.a.ns", 9400)), ("[fd00::1]:9400", ("fd00::1", 9400))):
        config = read_config({**environ, **group, "WATTRAIN_COORDINATOR": text})
        assert config.coordinator_host_port == expected


def test_the_preparation_has_one_process_and_no_group(tmp_path: Path) -> None:
    environ = with_spec(tmp_path, {"workers": {"processesPerWorker": 8, "launcher": "torchrun"}})
    config = read_config({**environ, "WATTRAIN_ROLE": "prepare", "WATTRAIN_WORKERS": "4"})
    assert (config.workers, config.processes_per_worker, config.launcher) == (1, 1, "native")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"WATTRAIN_SPEC": ""}, "WATTRAIN_SPEC is not set: write the path"),
        ({"WATTRAIN_SPEC": "/nowhere"}, "WATTRAIN_SPEC is '/nowhere', which cannot be read"),
        ({"WATTRAIN_ROLE": "boss"}, "WATTRAIN_ROLE is 'boss': write prepare or worker"),
        ({"WATTRAIN_WORKERS": "0"}, "WATTRAIN_WORKERS is '0': write an integer from 1"),
        ({"WATTRAIN_WORKERS": "1e3"}, "WATTRAIN_WORKERS is '1e3'"),
        ({"WATTRAIN_WORKER_INDEX": "1"}, "WATTRAIN_WORKER_INDEX is 1, but there are 1 workers: write 0 to 0"),
        ({"WATTRAIN_PORT": "65536"}, "WATTRAIN_PORT is '65536': write an integer from 0 to 65535"),
        ({"WATTRAIN_LISTEN_FD": "-1"}, "WATTRAIN_LISTEN_FD is '-1'"),
        ({"WATTRAIN_GRACE_SECONDS": "nan"}, "WATTRAIN_GRACE_SECONDS is 'nan': write a number of at least 0"),
        ({"WATTRAIN_RESTARTS_LEFT": "many"}, "WATTRAIN_RESTARTS_LEFT is 'many'"),
        ({"WATTRAIN_WORKERS": "2"}, "WATTRAIN_GROUP_TOKEN is not set: write the secret"),
        (
            {"WATTRAIN_WORKERS": "2", "WATTRAIN_WORKER_INDEX": "1", "WATTRAIN_GROUP_TOKEN": "x",
             "WATTRAIN_COORDINATOR": "nowhere"},
            "WATTRAIN_COORDINATOR is 'nowhere': write host:port of worker 0",
        ),
    ],
)  # fmt: skip
def test_a_bad_variable_is_named_with_its_value_and_the_remedy(
    environ: dict[str, str], variables: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config({**environ, **variables})
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("{", "the file that WATTRAIN_SPEC names, is no JSON"),
        ([], "must hold an object"),
        ({"script": {"command": "python"}}, "spec.script.command is 'python': write a list"),
        ({"script": {"command": []}}, "spec.script.command is []: write a list"),
        ({"script": {"command": ["a"], "args": [1]}}, "spec.script.args is [1]: write a list of texts"),
        (
            {"script": {"command": ["a"], "metricPatterns": {"loss": "("}}},
            "metricPatterns.loss: '(' is no regular",
        ),
        ({"script": {"command": ["a"], "metricPatterns": {"loss": "x"}}}, "does not say where the number is"),
        ({"workers": {"processesPerWorker": 0}}, "spec.workers.processesPerWorker is 0: write an integer"),
        ({"workers": {"launcher": "mpirun"}}, "spec.workers.launcher is 'mpirun': write one of native, torchrun"),
    ],
)
def test_a_bad_spec_is_named_by_field(tmp_path: Path, spec: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(with_spec(tmp_path, spec))
    assert sentence in str(caught.value)
