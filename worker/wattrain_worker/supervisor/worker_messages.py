"""What of a worker's progress goes into its other messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wattrain_api.contract.group_exchange import MemberReport
from wattrain_api.contract.kinds import LINE_CHARACTERS, one_line
from wattrain_api.contract.progress import EnergyGap, PowerReading, Progress
from wattrain_api.contract.termination import LOG_LINE_CHARACTERS, TerminationMessage
from wattrain_worker.power import Gap, Reading
from wattrain_worker.supervisor.group_totals import energy_by_source
from wattrain_worker.supervisor.rank_reports import NO_WAITS, RankWaits
from wattrain_worker.supervisor.worker_control import Ending


def member_report(progress: Progress, waits: RankWaits = NO_WAITS) -> MemberReport:
    """What the coordinator needs of it, and of what its ranks have waited for."""
    return MemberReport(
        step=progress.step,
        samples=progress.samples,
        phase=progress.phase,
        ranks_running=progress.ranks_running,
        ranks_done=progress.ranks_done,
        node=progress.node,
        power=progress.power,
        checkpoint=progress.checkpoint,
        resumed=progress.resumed,
        uid=progress.uid,
        uncounted=progress.uncounted,
        steps_done=progress.steps_done,
        data_wait_seconds=waits.data_seconds,
        peer_wait_seconds=waits.peer_seconds,
    )


def termination_of(
    progress: Progress, time: float, ending: Ending | None, last_line: str = "", last_lines: Sequence[str] = ()
) -> TerminationMessage:
    """What is left of it at `time` (seconds since 1970) when the supervisor ends; `ending` None: it goes on, and its
    ranks wrote `last_line` last. `last_lines`: what it and others wrote last, as far as it is to be kept."""
    return TerminationMessage(
        exit_code=None if ending is None else ending.exit_code,
        uid=progress.uid,
        attempt=progress.attempt,
        time=round(time, 3),
        last_line=one_line(last_line, LINE_CHARACTERS),
        last_lines=tuple(one_line(line, LOG_LINE_CHARACTERS) for line in last_lines),
        cause=None if ending is None else ending.cause,
        generation=progress.generation,
        step=progress.step,
        steps_done=progress.steps_done,
        total_steps=progress.total_steps,
        epoch=progress.epoch,
        epochs=progress.epochs,
        non_finite_steps=progress.non_finite_steps,
        overflow_steps=progress.overflow_steps,
        flops_per_sample=progress.flops_per_sample,
        peak_flops_per_second=progress.peak_flops_per_second,
        peak_source=progress.peak_source,
        tuning=progress.tuning,
        loss=progress.loss,
        learning_rate=progress.learning_rate,
        phase=progress.phase,
        checkpoint_step=None if progress.checkpoint is None else progress.checkpoint.step,
        energy=energy_by_source(progress.power),
        uncounted=progress.uncounted,
        spent=progress.spent,
        resumed=progress.resumed,
        validation=progress.validation,
        prepare=progress.prepare,
        test=progress.test,
        model=progress.model,
        notices=progress.notices,
    )


def energy_gaps(gaps: Iterable[Gap]) -> tuple[EnergyGap, ...]:
    """What the sampler does not count."""
    return tuple(EnergyGap(component=gap.component, reason=gap.reason) for gap in gaps)


def power_readings(readings: Iterable[Reading]) -> tuple[PowerReading, ...]:
    """The sampler's readings."""
    return tuple(
        PowerReading(
            component=reading.component,
            source=reading.source,
            joules=reading.joules,
            low_joules=reading.low_joules,
            high_joules=reading.high_joules,
            watts=reading.watts,
            device=reading.device,
            divided=reading.divided or None,
        )
        for reading in readings
    )
