"""install-packages.sh on all kinds of machines: its package manager is replaced by programs that say what they do."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("install-packages.sh")
INSTALLED = "echo installed"
ABSENT = "exit 1"


@pytest.fixture
def install(tmp_path):
    """Runs it on a machine that has `programs` (shell texts by name) beside what every machine has."""

    def run(**programs):
        for name in ("bash", "env", "grep", "chmod", "rm"):
            (tmp_path / name).symlink_to(shutil.which(name))
        for name, text in programs.items():
            file = tmp_path / name.replace("_", "-")
            file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            file.chmod(0o755)
        environment = {"PATH": str(tmp_path), "POLICY_RC_D": str(tmp_path / "policy")}
        return subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_where_everything_is_installed_nothing_is_done(install):
    done = install(dpkg_query=INSTALLED, apt_get="echo no; exit 1", id="echo 0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "All packages that tests need are installed.\n", "")


def test_who_is_not_root_is_told_the_command(install):
    done = install(dpkg_query=ABSENT, apt_get="exit 1", id="echo 1000")
    assert done.returncode == 77
    assert "sudo" in done.stderr and "containerd" in done.stderr  # noqa: PT018


def test_on_a_machine_without_apt_the_packages_are_named(install):
    done = install(id="echo 0")
    assert done.returncode == 77
    assert "containerd" in done.stderr


def test_what_is_missing_is_named_installed_and_nothing_else(install, tmp_path):
    query = 'case "$*" in *buildah*|*runc*) exit 1;; *) echo installed;; esac'
    log, policy = tmp_path / "log", tmp_path / "policy"
    done = install(dpkg_query=query, apt_get=f'test -x {policy} && echo "$@" >> {log}', id="echo 0")
    assert (done.returncode, done.stdout) == (0, "Installing what tests need: runc buildah\n")
    assert log.read_text().splitlines()[-1].endswith("--no-install-recommends runc buildah")
    assert not policy.exists()  # which kept services from starting meanwhile


def test_another_apt_is_waited_for(install, tmp_path):
    log, tries = tmp_path / "log", tmp_path / "tries"
    refused = 'echo "E: Could not get lock /var/lib/apt/lists/lock." >&2; exit 100'
    locked = f'echo "$@" >> {log}; echo x >> {tries}; if [ "$(grep -c x {tries})" -lt 3 ]; then {refused}; fi'
    done = install(dpkg_query=ABSENT, apt_get=locked, id="echo 0", sleep="exit 0")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:] == ["Waiting until another apt has finished."]
    said = log.read_text().splitlines()
    assert [" update " in f" {line} " for line in said] == [True, True, True, False]
    assert all("DPkg::Lock::Timeout=600" in line for line in said)


def test_an_installation_that_fails_is_no_success(install):
    done = install(dpkg_query=ABSENT, apt_get="echo no network >&2; exit 100", id="echo 0")
    assert done.returncode not in (0, 77)
    assert "no network" in done.stderr
