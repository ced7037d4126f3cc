"""What the API server's errors mean for a person."""

import json

import pytest

from wattrain_operator.cluster.kube.apierrors import ApiError, error_of
from wattrain_operator.remote.sentences import refused_by

SERVER = "https://10.0.0.1:6443"
FORBIDDEN = json.dumps({
    "kind": "Status",
    "reason": "Forbidden",
    "message": 'trainingjobs.wattrain.dev is forbidden: User "eve" cannot create resource "trainingjobs" in API group '
    '"wattrain.dev" in the namespace "team-a"',
})  # fmt: skip
QUOTA = '{"kind": "Status", "reason": "Forbidden", "message": "exceeded quota: jobs"}'


@pytest.mark.parametrize(
    ("error", "exit_code", "told"),
    [
        (ApiError(0, "ClientConnectorError", "Connect call failed"), 1, f"the API server {SERVER} does not answer"),
        (error_of(401, b"", None), 1, "does not know who you are; sign in again"),
        (error_of(403, FORBIDDEN.encode(), None), 1, 'you cannot create resource "trainingjobs" in API group'),
        (error_of(403, FORBIDDEN.encode(), None), 1, 'in the namespace "team-a"; ask who runs the cluster'),
        (error_of(403, QUOTA.encode(), None), 1, "the API server refuses it: exceeded quota: jobs"),
        (error_of(404, b"404 page not found\n", None), 1, "has no TrainingJobs; install them and the operator: helm"),
        (error_of(400, b'{"kind": "Status", "reason": "BadRequest", "message": "no"}', None), 2, "says: no"),
        (error_of(500, b"oh", None), 1, "says: oh"),
    ],
)  # fmt: skip
def test_each_error_has_a_sentence_and_an_exit_code(error, exit_code, told):
    refused = refused_by(error, SERVER)
    assert refused.exit_code == exit_code
    assert told in str(refused)
