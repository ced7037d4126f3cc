"""The job's spec, as the file that WATTRAIN_SPEC names has it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from wattrain_api.names import ENV_SPEC
from wattrain_api.problem import field_path, plain_details
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.errors import BadSpec, InputMissing


def read_spec(path: Path) -> TrainingJobSpec:
    """The spec in the JSON file `path`. Unknown fields are ignored: a newer operator may know more of them.

    InputMissing where the file cannot be read, BadSpec with the first field that is wrong.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputMissing(f"{ENV_SPEC}: {path} cannot be read: {error.strerror}; give the path of the spec") from error
    try:
        return TrainingJobSpec.model_validate_json(text, extra="ignore")
    except ValidationError as error:
        first = plain_details(error.errors(include_url=False)[0])
        field = field_path(("spec", *first["loc"]))
        value = f" (it is {str(first['input'])[:200]!r})" if first["loc"] else ""
        raise BadSpec(f"{field}: {first['msg']}{value}; correct it in {path}") from error
