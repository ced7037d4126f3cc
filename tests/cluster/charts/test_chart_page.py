"""The page that the chart brings where it is wanted, and how its program starts."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

WANTED = {"dashboard": {"enabled": True, "prometheus": "http://prometheus.monitoring:9090"}}


def of_page(objects):
    return {o["kind"]: o for o in objects if o["metadata"]["name"] == "wattrain-dashboard"}


@pytest.fixture(scope="module")
def page(helm):
    return of_page(helm.render(WANTED))


def test_without_being_asked_the_chart_brings_no_page(helm):
    assert of_page(helm.render()) == {}


def test_the_page_has_no_account_and_passes_pod_security_restricted(page):
    pod = page["Deployment"]["spec"]["template"]["spec"]
    assert (pod["automountServiceAccountToken"], pod.get("serviceAccountName")) == (False, None)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def test_nobody_but_the_node_reaches_it_unless_named(helm, page):
    policy = page["NetworkPolicy"]["spec"]
    assert (policy["policyTypes"], policy.get("ingress")) == (["Ingress"], None)
    who = [{"podSelector": {"matchLabels": {"app": "proxy"}}}]
    opened = of_page(helm.render({"dashboard": {**WANTED["dashboard"], "from": who}}))
    assert opened["NetworkPolicy"]["spec"]["ingress"] == [{"from": who, "ports": [{"port": "http", "protocol": "TCP"}]}]


def test_what_selects_the_page_selects_no_operator(helm, page):
    labels = page["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        page["Deployment"]["spec"]["selector"]["matchLabels"], page["Service"]["spec"]["selector"],
        page["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):  # fmt: skip
        assert selector.items() <= labels.items()
    others = [o for o in helm.render(WANTED) if o["kind"] == "Deployment" and o != page["Deployment"]]
    (operator,) = others
    chosen = operator["spec"]["selector"]["matchLabels"]
    assert not chosen.items() <= labels.items()
    assert not page["Service"]["spec"]["selector"].items() <= operator["spec"]["template"]["metadata"]["labels"].items()


def test_a_page_without_a_prometheus_is_refused_with_what_to_do(helm):
    assert "dashboard.prometheus: name the address of your Prometheus" in helm.refusal({"dashboard": {"enabled": True}})
    for address in ("prometheus:9090", "http://x y", "file:///etc"):
        assert "prometheus" in helm.refusal({"dashboard": {"enabled": True, "prometheus": address}})


def test_the_container_starts_and_answers_its_probes_and_no_stranger(helm):
    names = {"dashboard": {**WANTED["dashboard"], "hostNames": ["page.example"]}}
    deployment = of_page(helm.render(names))["Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    service = f"wattrain-dashboard.{deployment['metadata']['namespace']}.svc"
    _, *rest = container["command"]
    command = [sys.executable, *rest, *container["args"], "--port=0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            port = process.stderr.readline().split()[-1]
            for probe in ("readinessProbe", "livenessProbe"):
                asked = container[probe]["httpGet"]
                assert status(port, asked["path"], asked["httpHeaders"][0]["value"]) == 200
            assert status(port, "/dashboards.json", service) == 200
            assert status(port, "/dashboards.json", "page.example") == 200
            assert status(port, "/", "evil.example") == 403
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def status(port, path, host):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_an_address_that_is_none_ends_it_with_a_sentence():
    command = [sys.executable, "-m", "wattrain_operator.dashboard", "--prometheus", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "is no address of a Prometheus" in done.stderr) == (2, True)
