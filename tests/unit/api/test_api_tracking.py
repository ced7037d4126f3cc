"""What a job may say of its tracking, and what is refused where."""

import pytest
from pydantic import ValidationError

from wattrain_api import trackers
from wattrain_api.tracking import Tracking
from wattrain_api.trainingjob import ObjectMeta, TrainingJob, TrainingJobSpec
from wattrain_operator.local import preflight
from wattrain_operator.local.refused import Refused

RECIPE = {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}}


def job(**tracking):
    spec = TrainingJobSpec.model_validate({**RECIPE, "tracking": tracking})
    return TrainingJob(metadata=ObjectMeta(name="job"), spec=spec)


@pytest.mark.parametrize("uri", ["http://mlflow:5000", "https://mlflow.example/team/a", "http://127.0.0.1:5000/"])
def test_addresses_of_servers_are_taken(uri):
    assert Tracking.model_validate({"mlflow": {"trackingURI": uri}}).mlflow.experiment == "wattrain"


@pytest.mark.parametrize("uri", ["mlflow:5000", "https://me:secret@mlflow", "file:///runs", "http://", "http://a b"])
def test_other_addresses_and_those_with_a_password_are_not(uri):
    with pytest.raises(ValidationError, match="trackingURI"):
        Tracking.model_validate({"mlflow": {"trackingURI": uri}})


def test_every_tracker_of_the_api_is_known_to_the_workers():
    assert [field.alias or name for name, field in Tracking.model_fields.items()] == list(trackers.TRACKERS)


@pytest.mark.parametrize(
    ("tracking", "extra"),
    [({"tensorBoard": {}}, "tensorboard"), ({"mlflow": {"trackingURI": "http://there"}}, "mlflow")],
)
def test_a_laptop_without_the_library_refuses_the_job_with_the_command_that_brings_it(monkeypatch, tracking, extra):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    asked = job(**tracking)
    with pytest.raises(Refused, match=rf"spec\.tracking\.\w+: .* pip install 'wattrain\[{extra}\]'"):
        preflight.check(asked, preflight.choose_domain(asked, ()))
