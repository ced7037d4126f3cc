"""How a kubeconfig is chosen and read, and what is said where none can be used."""

import asyncio

import pytest
import yaml

from wattrain_operator.cluster.kube.kubeconfig import contexts, load_way
from wattrain_operator.cluster.kube.login import NoClusterError


def document(current, *names, server="https://127.0.0.1:1"):
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": current,
        "clusters": [{"name": f"{name}-cluster", "cluster": {"server": f"{server}/{name}"}} for name in names],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "contexts": [
            {"name": name, "context": {"cluster": f"{name}-cluster", "user": "me", "namespace": f"of-{name}"}}
            for name in names
        ],
    }  # fmt: skip


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """Neither the home nor the environment of whoever runs the tests counts."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def write(tmp_path):
    def written(name, content):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return str(file)

    return written


def way(**options):
    found = asyncio.run(load_way(**options))
    return found.configuration.host, found.namespace


def refused(**options):
    with pytest.raises(NoClusterError) as error:
        asyncio.run(load_way(**options))
    return str(error.value)


def test_the_option_goes_before_the_variable_and_that_before_the_home(write, monkeypatch):
    write(".kube/config", document("home", "home"))
    assert way() == ("https://127.0.0.1:1/home", "of-home")
    monkeypatch.setenv("KUBECONFIG", write("variable", document("variable", "variable")))
    assert way() == ("https://127.0.0.1:1/variable", "of-variable")
    assert way(kubeconfig=write("option", document("option", "option"))) == ("https://127.0.0.1:1/option", "of-option")


def test_of_several_files_the_first_current_context_counts_and_those_of_all_can_be_chosen(write, monkeypatch):
    files = [write("one", document("a", "a", "b")), write("missing", ""), write("two", document("c", "c"))]
    monkeypatch.setenv("KUBECONFIG", ":".join([*files, "/nonexistent"]))
    assert way()[1] == "of-a"
    assert way(context="c") == ("https://127.0.0.1:1/c", "of-c")
    assert contexts() == ["a", "b", "c"]


def test_a_context_without_a_namespace_means_default(write):
    plain = document("a", "a")
    del plain["contexts"][0]["context"]["namespace"]
    assert way(kubeconfig=write("plain", plain))[1] == "default"


def test_what_is_missing_is_named_with_the_remedy(write):
    assert refused() == (
        "no way to a cluster: there is no kubeconfig at ~/.kube/config, and this is no pod; set KUBECONFIG to one, or "
        "give it with --kubeconfig"
    )
    assert refused(kubeconfig="/nonexistent/file") == (
        "--kubeconfig /nonexistent/file: there is no such file; give the path of a kubeconfig"
    )
    file = write("one", document("a", "a", "b"))
    assert refused(kubeconfig=file, context="z").endswith("has no such context; it has a, b")
    assert "it has no current-context; choose one with --context: it has a" in refused(
        kubeconfig=write("two", document("", "a"))
    )
    assert "its current-context old is not in it" in refused(kubeconfig=write("three", document("old", "a")))


@pytest.mark.parametrize("content", ["a: [", "- just\n- a list\n", "contexts: [3]", "\x00"])
def test_a_file_that_is_no_kubeconfig_is_refused_in_a_sentence(write, content):
    assert "cannot be read" in refused(kubeconfig=write("bad", content))


def test_a_kubeconfig_whose_certificate_is_missing_is_refused_in_a_sentence(write):
    broken = document("a", "a")
    broken["clusters"][0]["cluster"]["certificate-authority"] = "/nonexistent/ca.crt"
    assert "cannot be used" in refused(kubeconfig=write("broken", broken))
