"""A job as the API server shows it, read as far as it can be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from wattrain_api import names, reasons
from wattrain_api.status import TrainingJobStatus
from wattrain_operator.cluster.kube.cache import domain_of
from wattrain_operator.cluster.kube.resources import Json
from wattrain_operator.core.conditions import is_finished, is_true


@dataclass(frozen=True)
class SeenJob:
    """What commands need to know of a job. A newer API may say more in `body`."""

    namespace: str
    name: str
    uid: str
    created_time: datetime | None
    power_domain: str
    status: TrainingJobStatus
    body: Json

    @property
    def is_answered(self) -> bool:
        """Whether the status is about the spec as it is now."""
        return self.status.observed_generation >= int(self.body["metadata"].get("generation") or 0)

    @property
    def is_over(self) -> bool:
        """Whether it is finished for good."""
        return is_finished(self.status)

    @property
    def is_complete(self) -> bool:
        """Whether it is finished and has done what it was to do."""
        return is_true(self.status, reasons.COMPLETE)

    @property
    def records_address(self) -> str:
        """Where its records are, as in `claim://training/digits-mlp/records`; empty: it has no claim for them."""
        return f"{self.claim_address}/{names.DIRECTORY_RECORDS}" if self.claim_address else ""

    @property
    def claim_address(self) -> str:
        """Where its files are, as in `claim://training/digits-mlp`; empty: it has no claim for them."""
        claim = ((self.body.get("spec") or {}).get("storage") or {}).get("claim")
        return f"claim://{claim}/{self.name}" if claim else ""

    @property
    def tells_phase(self) -> bool:
        """Whether its ranks say when they train; a script's do not."""
        return not (self.body.get("spec") or {}).get("script")


def seen_job(body: Json) -> SeenJob:
    """The job in `body`. A status that this version cannot read is an empty one that says so."""
    metadata = body["metadata"]
    try:
        status = TrainingJobStatus.from_json_object(body.get("status") or {})
    except ValidationError:
        status = TrainingJobStatus(message="its status is of a version that this wattrain cannot read; update wattrain")
    created = metadata.get("creationTimestamp")
    return SeenJob(
        namespace=str(metadata.get("namespace") or ""),
        name=str(metadata["name"]),
        uid=str(metadata.get("uid") or ""),
        created_time=None if not created else datetime.fromisoformat(created),
        power_domain=domain_of(body),
        status=status,
        body=body,
    )
