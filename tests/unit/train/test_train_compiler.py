"""Whether torch.compile could find a compiler is known before the first step."""

from __future__ import annotations

import pytest

from wattrain_worker.errors import BadSpec
from wattrain_worker.train.compiler import check_compiler


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """A machine with these programs and no others."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv("CC", raising=False)

    def make(*programs):
        for program in programs:
            (tmp_path / program).write_text("#!/bin/sh\n")
            (tmp_path / program).chmod(0o755)

    return make


@pytest.mark.parametrize(("device", "program"), [("cpu", "g++"), ("cuda", "gcc"), ("cuda", "clang")])
def test_the_compiler_of_the_device_is_enough(on_path, device, program):
    on_path(program)
    check_compiler(device)


@pytest.mark.parametrize(("device", "named"), [("cpu", "no g[+][+] in"), ("cuda", "no gcc or clang in")])
def test_without_one_the_field_the_image_and_what_to_write_are_named(on_path, device, named):
    on_path("python")
    with pytest.raises(
        BadSpec, match=f"^spec.training.compile: true needs a compiler.*{named}.*write false.*spec.image"
    ):
        check_compiler(device)


def test_a_compiler_that_the_environment_names_counts(on_path, monkeypatch):
    on_path("g++", "mine")
    monkeypatch.setenv("CXX", "absent")
    with pytest.raises(BadSpec, match="no absent in"):
        check_compiler("cpu")
    monkeypatch.setenv("CXX", "mine")
    check_compiler("cpu")
