"""The receipt of a job on a cluster: from its status, its power domain, and a Prometheus or its records, if given."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from wattrain_api.names import DEFAULT_POWER_DOMAIN
from wattrain_api.powerdomain import CarbonIntensity, PowerDomainSpec
from wattrain_api.status import TrainingJobStatus
from wattrain_operator.cluster.kube.apierrors import ForbiddenError, NotFoundError
from wattrain_operator.cluster.kube.resources import POWER_DOMAINS
from wattrain_operator.cluster.reading import explain, read_job
from wattrain_operator.local.refused import EXIT_FAILED, Refused
from wattrain_operator.receipt import Circumstances, Curves, Receipt, build
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.prometheus_curves import read_curves
from wattrain_operator.remote.recorded_curves import recorded_curves
from wattrain_operator.remote.seen_job import SeenJob

_UNTOLD = (
    "Versions of the packages and the processor: the status of a job on a cluster does not have them; its image and "
    "its nodes do.",
    "What became of each row of the data: prepare.json has it, beside the checkpoints on the job's claim.",
)


async def receipt_of(
    connection: Connection, job: SeenJob, prometheus: str, records: Path | None
) -> tuple[Receipt, Curves]:
    """The receipt of `job` and its curves: from `records`, a directory, or from the Prometheus at the address
    `prometheus`; where neither is given they are empty. Refused where the job, or what is given, cannot be read."""
    if records is not None and prometheus:
        raise Refused("--records and --prometheus: the curves come from one of them; leave the other out")
    try:
        read = read_job(job.body)
    except ValidationError as error:
        raise Refused(
            f"this wattrain cannot read the job {job.name}: {explain(error)}", exit_code=EXIT_FAILED
        ) from None
    domain, untold = await _domain(connection, job)
    curves = Curves()
    speed = _speed(read.status)
    if records is not None:
        curves = recorded_curves(records, job)
        speed = curves.samples_per_second or speed
    elif prometheus:
        recorded = await read_curves(prometheus, job, datetime.now(UTC))
        curves = recorded.curves
        untold += [f"{metric}: the Prometheus at {recorded.source} has nothing of it." for metric in recorded.missing]
    else:
        untold.append(
            "Loss and power over time: neither a Prometheus (--prometheus URL) nor the job's records (--records DIR) "
            "were given."
        )
    beside = Circumstances(samples_per_second=speed, not_known=(*_UNTOLD, *untold))
    return build(read, read.status, domain, beside), curves


def _speed(status: TrainingJobStatus) -> float | None:
    """The speed while it trains; at the end the status no longer has one that says something of the whole."""
    return None if status.progress is None else status.progress.samples_per_second


async def _domain(connection: Connection, job: SeenJob) -> tuple[PowerDomainSpec, list[str]]:
    """The job's power domain, and what of it cannot be told. `default` need not be there: it then has the defaults."""
    name = job.power_domain
    try:
        body = await connection.client.get(POWER_DOMAINS, "", name)
        return PowerDomainSpec.model_validate(body.get("spec") or {}, extra="ignore"), []
    except NotFoundError:
        if name == DEFAULT_POWER_DOMAIN:
            return PowerDomainSpec(), []
        why = "it is not there any more"
    except ForbiddenError:
        why = "you may not read it"
    except ValidationError as error:
        why = f"this wattrain cannot read it: {explain(error)}"
    used = job.status.energy.accounts
    carbon = CarbonIntensity(source="not known here")
    if used and used[0].grams_per_kwh is not None:
        carbon = CarbonIntensity(zone=used[0].zone, grams_per_kwh=used[0].grams_per_kwh, source="not known here")
    return PowerDomainSpec(carbon=carbon), [f"Where the carbon intensity of power domain {name} is from: {why}."]
