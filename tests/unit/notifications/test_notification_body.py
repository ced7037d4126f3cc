"""The body that a receiver gets, word for word: receivers are written by what docs/notifications.md says of it."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from wattrain_api.status import Condition, Cost, EnergyStatus, Progress, TrainingJobStatus
from wattrain_api.trainingjob import ObjectMeta, TrainingJob
from wattrain_operator.notifications.notification_body import notification_body, notification_id

CREATED, STARTED, ENDED = (datetime(2026, 11, 29, hour, tzinfo=UTC) for hour in (10, 11, 12))
JOB = TrainingJob.model_validate(
    {
        "metadata": ObjectMeta(name="digits-mlp", namespace="team", uid="4e0c8f52", creation_timestamp=CREATED),
        "spec": {
            "recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1},
        },
    }
)  # fmt: skip
STATUS = TrainingJobStatus(
    conditions=(
        Condition("Complete", "True", "TrainingComplete", ENDED, "all 2 workers are done"),
        Condition("Failed", "False", "NotFinished", CREATED),
    ),
    attempt=2,
    restart_count=1,
    start_time=STARTED,
    completion_time=ENDED,
    progress=Progress(step=400, total_steps=400, loss=0.03125),
    energy=EnergyStatus(
        joules=5400.0, low=4800.0, high=6900.0, measured_ratio=0.75, facility_joules=6480.0, carbon_grams=0.86,
        costs=(Cost("EUR", 0.00054),),
    ),
)  # fmt: skip
DOCUMENT = Path(__file__).parents[3] / "docs" / "notifications.md"


def body(status=STATUS, condition="Complete"):
    return json.loads(notification_body(JOB, status, condition))


def test_the_document_shows_the_body_as_it_is():
    [shown] = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert json.loads(shown) == body()


def test_of_a_job_that_failed_before_it_began_what_is_not_known_is_null():
    failed = Condition("Failed", "True", "NotSupported", ENDED, "spec.x: not done; leave it out")
    data = body(TrainingJobStatus(conditions=(failed,), completion_time=ENDED), "Failed")["data"]
    assert (data["outcome"], data["reason"], data["message"]) == (
        "Failed", "NotSupported", "spec.x: not done; leave it out",
    )  # fmt: skip
    unknown = ["startTime", "step", "totalSteps", "loss", "lossNotFinite", "carbonGrams"]
    assert [data[name] for name in unknown] == [None] * 6
    assert (data["attempts"], data["costs"], data["energy"]["joules"]) == (0, [], 0.0)


def test_a_loss_that_is_no_number_is_said_in_words():
    status = TrainingJobStatus(conditions=STATUS.conditions, progress=Progress(step=3, loss_not_finite="NaN"))
    data = body(status)["data"]
    assert (data["loss"], data["lossNotFinite"], data["totalSteps"]) == (None, "NaN", None)


def test_each_end_of_each_job_has_an_id_of_its_own_without_the_full_stop_that_separates_what_is_signed():
    assert notification_id(JOB, "Complete") == "4e0c8f52-complete"
    assert notification_id(JOB, "Failed") == "4e0c8f52-failed"
