"""Jobs that wait for clean hours while operators die: no place is held meanwhile, and they start when they said."""

from __future__ import annotations

from datetime import timedelta

import pytest

from wattrain_api.carbon_series import HOUR, CarbonSeries, Interval
from wattrain_api.energy import Carbon
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.observed import CarbonView
from wattrain_operator.simulated.explore import small_simulation
from wattrain_operator.simulated.faults import Move
from wattrain_operator.simulated.fleet_simulation import FleetSimulation
from wattrain_operator.simulated.objects import EPOCH
from wattrain_operator.simulated.simulated_operator import Setting

GRAMS = (400.0, 300.0, 100.0, 400.0, 400.0)
SERIES = CarbonSeries(tuple(Interval(EPOCH + n * HOUR, EPOCH + (n + 1) * HOUR, g) for n, g in enumerate(GRAMS)))


@pytest.mark.parametrize("death", ["", "die", "die with an old view"])
def test_a_job_that_waits_leaves_the_only_place_to_others_and_starts_in_its_window(death: str) -> None:
    plain = small_simulation(workers=1).world.job.spec
    carbon = Carbon(mode="StartWindow", deadline=EPOCH + 4 * HOUR, estimated_duration_seconds=1800)
    clean = plain.model_copy(update={"energy": plain.energy.model_copy(update={"carbon": carbon})})
    setting = Setting(shared_storage=False, reads_own_writes=True, carbon=CarbonView(SERIES))
    fleet = FleetSimulation({"clean": clean, "plain": plain}, 1, setting)
    ended = False
    for count in range(3000):
        if (move := fleet.fair_move()) is None:
            break
        fleet.do(move)
        if death and count % 7 == 3:
            fleet.do(Move(death))
        job = fleet.jobs["clean"].world.job
        hours = job.status.clean_hours
        if job.status.attempt == 0 and (hours is None or hours.start is not None):
            assert "clean" not in {r.name for r in fleet.domain.reservations}
            ended = ended or is_finished(fleet.jobs["plain"].world.job.status)
    assert ended  # the other one had its place meanwhile, and went through with it
    fleet.check_rest()
    status = fleet.jobs["clean"].world.job.status
    assert status.start_time is not None
    assert timedelta() <= status.start_time - (EPOCH + 2 * HOUR) < timedelta(minutes=1)
