"""The images of the Dockerfile, really built: what is in them, what is not, and what they do when they are run."""

from __future__ import annotations

import json

import pytest
from harness.built_images import BuiltImage, build
from harness.fixtures import shown_or_skipped
from harness.image_contents import Expected, ask

OPERATOR = Expected(
    present=("kopf", "kubernetes.aio.client", "aiohttp", "prometheus_client", "yaml", "pydantic", "tzdata"),
    # The command line and the laptop's backend stay outside: they need what the image lacks.
    packages=("wattrain_operator.cluster", "wattrain_operator.core"),
    absent=("torch", "numpy", "polars", "safetensors", "onnxruntime", "pytest", "mypy", "hypothesis", "pip"),
    unused="wattrain_worker",
)
WORKER = Expected(
    present=(
        "torch", "numpy", "polars", "fsspec", "aiohttp", "obstore.fsspec", "safetensors.torch", "prometheus_client",
        "pynvml", "pydantic",
    ),
    packages=("wattrain_worker.supervisor", "wattrain_worker.power", "wattrain_worker.data", "wattrain_worker.train"),
    absent=("kopf", "kubernetes", "typer", "pytest", "mypy", "hypothesis", "pip"),
    unused="wattrain_operator",
)  # fmt: skip
ABOVE_THE_BASE_MEGABYTES = 200


def built(pytestconfig: pytest.Config, target: str) -> BuiltImage:
    """The image, after minutes of building in which its messages are shown, or out of the cache."""
    with shown_or_skipped(pytestconfig):
        return build(target)


@pytest.fixture(scope="module")
def operator(pytestconfig: pytest.Config) -> BuiltImage:
    return built(pytestconfig, "operator")


@pytest.fixture(scope="module")
def worker(pytestconfig: pytest.Config) -> BuiltImage:
    return built(pytestconfig, "worker")


def test_the_operators_image_has_all_it_needs_and_nothing_of_the_worker(operator):
    assert ask(operator.run, OPERATOR) == []


def test_the_workers_image_has_all_it_needs_and_nothing_of_the_operator(worker):
    assert ask(worker.run, WORKER) == []


def test_neither_image_is_the_other(operator, worker):
    for image, other in ((operator, WORKER), (worker, OPERATOR)):
        found = "\n".join(ask(image.run, other))
        assert "cannot be imported" in found
        assert "must not be in this image" in found


def test_the_operators_image_adds_less_than_200_megabytes_to_its_base(operator):
    size = operator.run("du", "--summarize", "--block-size=1000000", "/opt").stdout
    assert 50 < int(size.split()[0]) < ABOVE_THE_BASE_MEGABYTES


def test_both_run_as_the_user_of_restricted_pods(operator, worker):
    for image in (operator, worker):
        assert image.inspect("{{.OCIv1.Config.User}}") == "65532:65532"
        assert image.run("id", "-u").stdout.strip() == "65532"


def test_all_bytecode_is_there_because_the_root_cannot_be_written_to(operator):
    count = "find /opt -path '*site-packages/kopf*' -name '*.{0}' | wc -l; find /opt/wattrain -name '*.{0}' | wc -l"
    sources, bytecode = (operator.run("sh", "-c", count.format(kind)).stdout.split() for kind in ("py", "pyc"))
    assert bytecode == sources
    assert all(int(number) > 20 for number in sources)


def test_the_operator_started_without_settings_says_which_are_missing(operator):
    said = operator.run(*operator.inspect("{{range .OCIv1.Config.Entrypoint}}{{.}} {{end}}").split())
    assert said.returncode == 2
    assert "WATTRAIN_OPERATOR_WORKER_IMAGE" in said.stderr


def test_the_worker_started_without_settings_says_which_are_missing(worker):
    said = worker.run("wattrain-worker")
    assert said.returncode == 64
    assert "WATTRAIN_SPEC is not set" in said.stdout + said.stderr


@pytest.mark.parametrize("target", ["operator", "worker"])
def test_both_carry_the_supervisor_for_foreign_images(request, target):
    image = request.getfixturevalue(target)
    copy = "cp /opt/wattrain/wattrain-worker.pyz /tmp/copy.pyz && python3 -I -S /tmp/copy.pyz --help"
    said = image.run("sh", "-c", copy)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("usage: wattrain-worker")


def test_a_recipe_trains_in_the_workers_image(worker):
    spec = {
        "recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"maxSteps": 10},
    }  # fmt: skip
    told = {
        "SPEC": "/tmp/spec.json", "PREPARE": "own", "DATA_DIR": "/tmp/data", "CHECKPOINT_DIR": "/tmp/checkpoints",
        "MODEL_DIR": "/tmp/model", "TERMINATION_FILE": "/tmp/word.json", "PORT": "0",
    }  # fmt: skip
    variables = " ".join(f"WATTRAIN_{name}={value}" for name, value in told.items())
    program = (
        f"echo '{json.dumps(spec)}' > /tmp/spec.json; env HOME=/tmp {variables} wattrain-worker >&2; cat /tmp/word.json"
    )
    said = worker.run("sh", "-c", program)
    word = json.loads(said.stdout)
    assert (word["exitCode"], word["step"], word["phase"]) == (0, 10, "done"), said.stderr
    assert worker.run("sh", "-c", "command -v python").stdout.strip() == "/opt/venv/bin/python"


def test_a_layout_bears_the_images_name_and_lacks_what_is_there_already(operator, tmp_path):
    operator.write_layout(tmp_path / "whole")
    index = json.loads((tmp_path / "whole/index.json").read_text())
    [manifest] = index["manifests"]
    assert manifest["annotations"]["org.opencontainers.image.ref.name"] == operator.name
    blobs = tmp_path / "whole/blobs/sha256"
    largest = max(blobs.iterdir(), key=lambda file: file.stat().st_size)
    there = tmp_path / "part/blobs/sha256" / largest.name
    there.parent.mkdir(parents=True)
    with there.open("wb") as file:
        file.truncate(largest.stat().st_size)
    operator.write_layout(tmp_path / "part")
    assert there.stat().st_blocks == 0
    assert {file.name for file in there.parent.iterdir()} == {file.name for file in blobs.iterdir()}
