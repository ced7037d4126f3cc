"""What the operator believes, when watches, its own writes and LISTs tell it out of order."""

import pytest

from wattrain_operator.cluster.kube.cache import Cache, JobKey

KEY = JobKey("team", "one")


def job(version, uid="u1", domain=None, name="one"):
    spec = {} if domain is None else {"energy": {"powerDomain": domain}}
    metadata = {"name": name, "namespace": "team", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": spec}


def pod(version, name="one-1-0", owner="u1", label="one"):
    owners = [{"kind": "TrainingJob", "uid": owner, "controller": True}]
    labels = {"wattrain.dev/job": label}
    metadata = {"name": name, "namespace": "team", "uid": f"p-{name}", "resourceVersion": str(version)}
    return {"metadata": metadata | {"labels": labels, "ownerReferences": owners}}


@pytest.fixture
def cache():
    return Cache()


def test_news_of_a_pod_concern_its_job(cache):
    assert cache.apply("Pod", pod(5)) == {KEY}
    assert [p["metadata"]["name"] for p in cache.pods("team", "u1")] == ["one-1-0"]


def test_an_object_never_goes_back_to_an_older_version(cache):
    cache.apply("TrainingJob", job(7))
    assert cache.apply("TrainingJob", job(6)) == set()
    assert cache.apply("TrainingJob", job(7)) == set()
    assert cache.job(KEY)["metadata"]["resourceVersion"] == "7"


def test_a_late_event_does_not_bring_back_what_was_deleted(cache):
    cache.apply("Pod", pod(5))
    assert cache.apply("Pod", pod(9), deleted=True) == {KEY}
    assert cache.apply("Pod", pod(8)) == set()
    assert cache.pods("team", "u1") == []


def test_a_list_that_is_older_than_a_deletion_does_not_bring_it_back(cache):
    cache.apply("Pod", pod(5))
    cache.apply("Pod", pod(9), deleted=True)
    assert cache.replace("Pod", [pod(5)], 8) == set()
    assert cache.pods("team", "u1") == []


def test_a_list_that_is_older_than_a_creation_does_not_remove_it(cache):
    cache.apply("Pod", pod(9))
    assert cache.replace("Pod", [], 8) == set()
    assert len(cache.pods("team", "u1")) == 1


def test_a_list_removes_what_a_deaf_watch_kept_and_says_whose_it_was(cache):
    cache.apply("Pod", pod(5))
    assert cache.replace("Pod", [], 10) == {KEY}
    assert cache.pods("team", "u1") == []


def test_a_list_of_one_namespace_leaves_the_others_alone(cache):
    cache.apply("TrainingJob", job(5))
    assert cache.replace("TrainingJob", [], 10, "other") == set()
    assert cache.job(KEY) is not None


def test_a_list_that_is_late_brings_nothing_back_that_a_newer_one_removed(cache):
    cache.apply("Pod", pod(5))
    assert cache.replace("Pod", [], 12) == {KEY}
    assert cache.replace("Pod", [pod(5)], 10) == set()
    assert cache.pods("team", "u1") == []


def test_a_list_of_one_namespace_does_not_forget_what_was_deleted_in_another(cache):
    cache.apply("Pod", pod(5))
    cache.apply("Pod", pod(9), deleted=True)
    cache.replace("Pod", [], 12, "other")
    assert cache.replace("Pod", [pod(5)], 8, "team") == set()
    assert cache.pods("team", "u1") == []


def test_the_pods_of_a_namesake_are_not_the_jobs_own(cache):
    cache.apply("Pod", pod(5, owner="old"))
    cache.apply("Pod", pod(6, name="one-1-1", owner="new"))
    assert [p["metadata"]["name"] for p in cache.pods("team", "new")] == ["one-1-1"]


def test_a_pod_that_is_created_again_by_a_namesake_moves_to_it(cache):
    cache.apply("Pod", pod(5, owner="old"))
    cache.apply("Pod", pod(9, owner="new"))
    assert cache.pods("team", "old") == []
    assert len(cache.pods("team", "new")) == 1


def test_a_power_domain_concerns_the_jobs_that_name_it(cache):
    cache.apply("TrainingJob", job(5))
    cache.apply("TrainingJob", job(6, name="two", domain="green"))
    domain = {"metadata": {"name": "default", "resourceVersion": "7"}}
    assert cache.apply("PowerDomain", domain) == {KEY}


def test_what_a_list_repaired_stays_suspicious_until_the_watch_tells_it(cache):
    cache.replace("Pod", [pod(5)], 6)
    assert cache.unconfirmed("Pod") == 1
    cache.apply("Pod", pod(5), from_watch=True)
    assert cache.unconfirmed("Pod") == 0


def test_what_the_list_of_a_watch_repaired_is_not_expected_to_be_told_again(cache):
    cache.apply("Pod", pod(5))
    assert cache.replace("Pod", [pod(7, name="one-1-1")], 8, from_watch=True) == {KEY}
    assert cache.unconfirmed("Pod") == 0


def test_what_a_list_removed_stays_suspicious_until_the_watch_tells_of_the_deletion(cache):
    cache.apply("Pod", pod(5))
    cache.replace("Pod", [], 10)
    assert cache.unconfirmed("Pod") == 1
    cache.apply("Pod", pod(9), deleted=True, from_watch=True)
    assert cache.unconfirmed("Pod") == 0


def test_what_nobody_reads_is_not_kept(cache):
    body = pod(5)
    body["metadata"] |= {"managedFields": [{}], "annotations": {"wattrain.dev/spec": "{}"}}
    body |= {"spec": {"nodeName": "n1", "containers": [{}]}, "status": {"phase": "Running"}}
    cache.apply("Pod", body)
    (kept,) = cache.pods("team", "u1")
    assert kept["spec"] == {"nodeName": "n1"}
    assert kept["status"] == {"phase": "Running"}
    assert "managedFields" not in kept["metadata"]
    assert body["metadata"]["managedFields"] == [{}]  # the watch's own object stays as it is


def test_a_pod_in_another_namespace_belongs_to_no_job_whoever_it_names_as_its_owner(cache):
    cache.apply("TrainingJob", job(1))
    stranger = pod(5)
    stranger["metadata"]["namespace"] = "elsewhere"
    assert cache.apply("Pod", stranger) == {JobKey("elsewhere", "one")}
    assert cache.pods("team", "u1") == []


def test_the_last_state_of_pods_that_are_gone_is_remembered_of_the_newest(cache, monkeypatch):
    monkeypatch.setattr("wattrain_operator.cluster.kube.cache.GONE_PODS_KEPT", 2)
    taken = {"status": {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}]}}
    for number, name in enumerate(("one-1-0", "one-1-1", "one-1-2"), 5):
        cache.apply("Pod", pod(number, name))
    cache.apply("Pod", pod(8, "one-1-0"), deleted=True)
    cache.apply("Pod", pod(9, "one-1-1") | taken, deleted=True)  # what the event of the deletion says itself
    cache.replace("Pod", [], 10)
    gone = {p["metadata"]["name"]: p["status"] for p in cache.gone_pods("team", "u1")}
    assert gone == {"one-1-1": taken["status"], "one-1-2": {}}
    assert cache.gone_pods("team", "u2") == []
