"""Whose answers stand for a group."""

import itertools

import pytest

from wattrain_operator.core.observed import Child
from wattrain_operator.core.roles import Role
from wattrain_operator.workers.speaker import speaker_of

PREPARE_1 = Child("job-prepare-1", "a", Role.PREPARE, 1, 0, "Succeeded")
WORKER_1_0 = Child("job-1-0", "b", Role.WORKER, 1, 0, "Running")
WORKER_1_1 = Child("job-1-1", "c", Role.WORKER, 1, 1, "Running")
PREPARE_2 = Child("job-prepare-2", "d", Role.PREPARE, 2, 0, "Running")


@pytest.mark.parametrize(
    ("children", "speaker"),
    [
        ([], None),
        ([WORKER_1_1], None),
        ([PREPARE_1], PREPARE_1),
        ([PREPARE_1, WORKER_1_1], PREPARE_1),
        ([PREPARE_1, WORKER_1_0, WORKER_1_1], WORKER_1_0),
        ([WORKER_1_0, PREPARE_2, WORKER_1_1], PREPARE_2),
    ],
    ids=["nobody", "no-worker-0", "preparation", "preparation-until-worker-0", "worker-0", "newest-attempt"],
)
def test_worker_0_of_the_newest_attempt_speaks_and_before_there_is_one_its_preparation(children, speaker):
    assert all(speaker_of(order) is speaker for order in itertools.permutations(children))
