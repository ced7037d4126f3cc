"""The commands for a cluster, as a user calls them, before a real API server and the operator at work on it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from harness.binaries import find
from typer.testing import CliRunner

from wattrain_operator.cli.app import app

from .conftest import NOWHERE, SPEC
from .stage import Stage

JOB = {
    "apiVersion": "wattrain.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"labels": {"team": "a"}},
    "spec": {**SPEC, "workers": {"replicas": 2, "nodeSelector": NOWHERE}},
}


@pytest.fixture
def job_file(tmp_path):
    """A file with jobs of these names."""

    def write(*names, **spec):
        documents = [
            {**JOB, "metadata": {**JOB["metadata"], "name": name}, "spec": {**JOB["spec"], **spec}} for name in names
        ]
        file = tmp_path / f"{'-'.join(names)}.yaml"
        file.write_text(yaml.safe_dump_all(documents))
        return str(file)

    return write


@pytest.fixture
def call(own_or_shared, namespace):
    """Calls a command in a thread of its own, one at a time; with its exit code and what it wrote."""

    async def called(*words, exit_code=0):
        options = [f"--kubeconfig={own_or_shared.kubeconfig}", f"--namespace={namespace}"]
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, *options])
        assert result.exit_code == exit_code, result.output
        return result

    return called


def test_a_job_is_submitted_suspended_resumed_awaited_and_deleted(scenario, call, job_file):
    async def story(cluster):
        stage = Stage(cluster, "one")
        async with cluster.operator():
            told = await call("submit", job_file("one"))
            assert told.stdout == f"trainingjob.wattrain.dev/one submitted in namespace {cluster.namespace}\n"
            body = await cluster.job("one")
            assert body["metadata"]["labels"] == {"team": "a"}
            waiting = asyncio.create_task(call("wait", "one", "--for=running"))
            await stage.run()
            assert "one is running" in (await waiting).stdout
            assert "is suspended" in (await call("suspend", "one")).stdout
            assert "was suspended already" in (await call("suspend", "one")).stdout
            await call("wait", "one", "--for=suspended", "--timeout=60s")
            assert "is resumed" in (await call("resume", "one")).stdout
            await stage.run(attempt=2)
            waiting = asyncio.create_task(call("wait", "one", "-o", "json"))
            await stage.succeed(attempt=2)
            assert json.loads((await waiting).stdout)["status"]["state"] == "Complete"
            refused = await call("suspend", "one", exit_code=2)
            assert refused.stderr == "error: one is Complete and cannot be suspended; it has no workers any more\n"
            gone = await call("delete", "one", "--wait", "--timeout=60s")
            assert "is deleted from namespace" in gone.stdout
            assert "its Service and its NetworkPolicy" in gone.stdout
            error = (await call("receipt", "one", exit_code=2)).stderr
            assert f"there is no TrainingJob one in namespace {cluster.namespace}" in error

    scenario(story)


def test_a_submitted_job_is_followed_to_its_end_and_leaves_a_receipt_when_its_pods_are_gone(scenario, call, job_file):
    async def story(cluster):
        stage = Stage(cluster, "seen")
        async with cluster.operator():
            following = asyncio.create_task(call("submit", job_file("seen"), "--follow"))
            await stage.run()
            for worker, pod in enumerate(await stage.pods()):
                left = {"version": 1, "exitCode": 0, "step": 7, "lastLines": [f"worker {worker} says", "goodbye"]}
                await cluster.end_pod(pod, 0, left)
            lines = (await following).stdout.splitlines()
            assert lines[0] == f"seen starts in namespace {cluster.namespace}"
            events = [line.split("  ")[1].split(":")[0] for line in lines if ": " in line and "  " in line]
            for reason in ("JobAdmitted", "WorkersRunning", "TrainingComplete"):
                assert events.count(reason) == 1, lines
            assert any(line.startswith("complete: all 2 workers are done") for line in lines), lines
            await stage.until_pods(0)
            page = (await call("receipt", "seen")).stdout
            assert page.startswith("# Receipt of seen\n\nrecipe logistic-regression, 2 ranks: Complete after")
            assert "neither a Prometheus (--prometheus URL)" in page
            told = json.loads((await call("receipt", "seen", "-o", "json")).stdout)
            assert (told["job"]["namespace"], told["versions"], told["cpuModel"]) == (cluster.namespace, {}, "")
            kept = await call("logs", "seen")
            assert kept.stdout == "worker 0 says\ngoodbye\n"
            assert "the pods of seen are gone; its status has kept the last lines" in kept.stderr
            assert "| worker 0 says |" in page
            other = await call("logs", "seen", "--worker=1", exit_code=1)
            assert (other.stdout, "no log of worker 1 of seen is here: its pods are gone" in other.stderr) == ("", True)
            assert "<h1>Receipt of seen</h1>" in (await call("receipt", "seen", "--output", "html")).stdout

    scenario(story)


def test_a_job_that_fails_ends_its_followers_and_waiters_with_1(scenario, call, job_file):
    async def story(cluster):
        stage = Stage(cluster, "bad")
        async with cluster.operator():
            file = job_file("bad", policy={"maxRestarts": 0})
            following = asyncio.create_task(call("submit", file, "--follow", "--output", "json", exit_code=1))
            await stage.run()
            await stage.fail()
            told = [json.loads(line) for line in (await following).stdout.splitlines()]
            assert (told[0]["type"], told[0]["namespace"]) == ("start", cluster.namespace)
            assert (told[-1]["type"], told[-1]["state"], told[-1]["exitCode"]) == ("result", "Failed", 1)
            assert "bad is Failed (RestartBudgetExhausted)" in (await call("wait", "bad", exit_code=1)).stderr
            await call("wait", "bad", "--for=failed")
            good = Stage(cluster, "good")
            waiting = asyncio.create_task(call("submit", job_file("good"), "--wait", "--output", "name"))
            await good.run()
            await good.succeed()
            told = await waiting
            assert (told.stdout, "good: Complete" in told.stderr) == ("trainingjob.wattrain.dev/good\n", True)

    scenario(story)


@pytest.fixture
def complete(own_or_shared):
    """What a shell offers after these words, the last of which is the `position`-th."""

    def completed(words, position):
        environment = {
            "KUBECONFIG": str(own_or_shared.kubeconfig), "_WATTRAIN_COMPLETE": "complete_bash", "COMP_WORDS": words,
            "COMP_CWORD": str(position),
        }  # fmt: skip
        return CliRunner().invoke(app, [], env=environment, prog_name="wattrain").stdout.split()

    return completed


def test_top_shows_who_runs_who_waits_for_whom_and_nothing_of_others(scenario, call, complete, as_plugin, job_file):
    async def story(cluster):
        async with cluster.operator():
            await call("submit", job_file("top-a", "top-b"))
            await Stage(cluster, "top-a").run()
            header, *rows = (await call("top", "--once")).stdout.splitlines()
            assert header.split() == [
                "NAME", "STATE", "PROGRESS", "STEP", "LOSS", "WATTS", "JOULES", "LEFT", "WORKERS", "QUEUE", "DOMAIN",
                "AGE",
            ]  # fmt: skip
            assert [row.split()[0] for row in rows[:-1]] in (["top-a", "top-b"], ["top-b", "top-a"])
            assert rows[-1].startswith("2 jobs: ")
            one = json.loads((await call("top", "top-a", "--once", "--output", "json")).stdout)["jobs"]
            assert [(job["name"], job["powerDomain"]) for job in one] == [("top-a", "default")]
            assert "NAMESPACE" in (await call("top", "--once", "--all-namespaces")).stdout
            offered = await asyncio.to_thread(complete, f"wattrain logs -n {cluster.namespace} top-", 4)
            assert offered == ["top-a", "top-b"]
            plugin = await asyncio.to_thread(as_plugin, "top", "--once", "-n", cluster.namespace)
            assert [line.split()[0] for line in plugin.splitlines()[1:-1]] == [row.split()[0] for row in rows[:-1]]
            missing = await call("top", "top-c", "--once", exit_code=2)
            assert "there is no TrainingJob top-c" in missing.stderr

    scenario(story)


@pytest.fixture
def as_plugin(own_or_shared):
    """What `kubectl wattrain` says, called with these words."""

    def said(*words):
        folder = str(Path(sys.executable).parent)
        environment = {"PATH": folder, "HOME": folder, "KUBECONFIG": str(own_or_shared.kubeconfig)}
        command = [str(find("kubectl")), "wattrain", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return said


@pytest.fixture
def interrupted(own_or_shared, namespace):
    """The first line that a command writes, and what it writes after Ctrl-C, with which it ends."""

    async def written(*words):
        command = [str(Path(sys.executable).parent / "wattrain"), *words, f"--namespace={namespace}"]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "KUBECONFIG": str(own_or_shared.kubeconfig)},
        )  # fmt: skip
        first = await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = await process.stdout.read()
        assert await process.wait() == 130, rest
        return first.decode(), rest.decode()

    return written


def test_what_the_cluster_refuses_is_told_and_ctrl_c_ends_the_command_alone(
    scenario, call, interrupted, job_file, own_or_shared, namespace
):
    async def story(cluster):
        await call("submit", job_file("taken"))
        error = (await call("submit", job_file("taken"), exit_code=2)).stderr
        assert f"a TrainingJob taken is in namespace {namespace} already; choose another name" in error
        told = await call("wait", "taken", "--timeout=1s", "--output", "json", exit_code=1)
        assert json.loads(told.stdout)["exitCode"] == 1
        assert "taken is not complete after 1 s; it is Pending" in told.stderr
        assert await interrupted("wait", "taken") == (
            "taken: Pending\n", "interrupted; the jobs go on as they are\n",
        )  # fmt: skip
        line, _ = await interrupted("top", "-o", "json")
        assert json.loads(line)["name"] == "taken"
        assert (await cluster.job("taken"))["spec"].get("suspend", False) is False
        nobody = own_or_shared.kubeconfig_of(namespace, "default")
        forbidden = await asyncio.to_thread(
            CliRunner().invoke, app, ["top", "--once", f"--kubeconfig={nobody}", f"--namespace={namespace}"]
        )
        assert forbidden.exit_code == 1
        assert 'you cannot list resource "trainingjobs" in API group "wattrain.dev"' in forbidden.stderr
        elsewhere = await asyncio.to_thread(
            CliRunner().invoke,
            app,
            ["submit", job_file("lost"), f"--kubeconfig={own_or_shared.kubeconfig}", "--namespace=nowhere"],
        )
        assert elsewhere.stderr == (
            "error: metadata.namespace: there is no namespace nowhere; create it, or name another\n"
        )

    scenario(story)
