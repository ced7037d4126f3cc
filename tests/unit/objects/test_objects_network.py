"""The Service through which workers find each other, and the policy that keeps others out."""

from __future__ import annotations

from wattrain_operator.cluster.objects import network_policy_of, service_of
from wattrain_operator.core.roles import Role


def test_the_service_gives_every_worker_a_name_before_it_is_ready(job_of, pod_for):
    service, pod = service_of(job_of()), pod_for(worker=0)
    spec, address = service["spec"], next(
        e["value"] for e in pod["spec"]["containers"][0]["env"] if e["name"] == "WATTRAIN_COORDINATOR"
    )  # fmt: skip
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    assert spec["selector"].items() <= pod["metadata"]["labels"].items()
    assert address == f"{pod['spec']['hostname']}.{service['metadata']['name']}.team.svc:{spec['ports'][0]['port']}"
    assert pod["spec"]["subdomain"] == service["metadata"]["name"]


def test_the_service_of_a_job_that_begins_with_a_digit_begins_with_a_letter(job_of, pod_for):
    assert service_of(job_of("3-layers"))["metadata"]["name"] == "job-3-layers"
    assert pod_for(name="3-layers")["spec"]["subdomain"] == "job-3-layers"


def test_the_preparation_is_no_member_of_the_group(job_of, pod_for):
    labels = pod_for(Role.PREPARE)["metadata"]["labels"]
    assert not service_of(job_of())["spec"]["selector"].items() <= labels.items()


def test_only_the_jobs_own_pods_reach_more_than_the_metrics_port(job_of, pod_for):
    policy = network_policy_of(job_of())
    own = policy["spec"]["podSelector"]["matchLabels"]
    assert own.items() <= pod_for()["metadata"]["labels"].items()
    assert own.items() <= pod_for(Role.PREPARE)["metadata"]["labels"].items()
    assert not own.items() <= pod_for(name="another")["metadata"]["labels"].items()
    from_own, from_all = policy["spec"]["ingress"]
    assert from_own == {"from": [{"podSelector": {"matchLabels": own}}]}
    assert from_all == {"ports": [{"protocol": "TCP", "port": 9400}]}


def test_both_go_when_the_job_goes(job_of):
    job = job_of()
    for made in (service_of(job), network_policy_of(job)):
        assert [owner["uid"] for owner in made["metadata"]["ownerReferences"]] == [job.metadata.uid]
        assert made["metadata"]["namespace"] == "team"
