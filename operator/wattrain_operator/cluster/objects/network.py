"""How the pods of a job reach each other, and who else reaches them."""

from __future__ import annotations

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.objects.identity import Json, job_metadata, service_name
from wattrain_operator.cluster.objects.pods import PORT_NAME


def service_of(job: TrainingJob) -> Json:
    """A headless Service, which gives every worker a DNS name. Also to those that are not ready: the group meets
    before any of them is."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": job_metadata(job, service_name(job)),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {names.LABEL_JOB: job.metadata.name, names.LABEL_ROLE: names.ROLE_WORKER},
            "ports": [{"name": PORT_NAME, "port": names.DEFAULT_WORKER_PORT, "protocol": "TCP"}],
        },
    }


def network_policy_of(job: TrainingJob) -> Json:
    """Who may open connections to the job's pods: each other, on any port, since what torch.distributed speaks is
    neither encrypted nor authenticated; and everybody on the metrics port, which shows figures and takes nothing
    without the group's token. What pods may connect to is left open: data may come from anywhere."""
    own = {"matchLabels": {names.LABEL_JOB: job.metadata.name}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": job_metadata(job, service_name(job)),
        "spec": {
            "podSelector": own,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": own}]},
                {"ports": [{"protocol": "TCP", "port": names.DEFAULT_WORKER_PORT}]},
            ],
        },
    }
