"""Messages as they are on a laptop in the middle of a training, for docs/worker-contract.md."""

from __future__ import annotations

from typing import Final

from wattrain_api import names, reasons
from wattrain_api.contract.directive import Directive
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.gpu_limit import APPLIED, GpuLimit, GpuLimitAnswer
from wattrain_api.contract.group_exchange import Action, CoordinatorReply, MemberMessage, MemberReport, MemberState
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import (
    Checkpoint,
    Evaluation,
    GroupProgress,
    PowerReading,
    Progress,
    RankReport,
    RestartInPlace,
    Resumed,
    WorkerSummary,
)
from wattrain_api.contract.recorded_step import RecordedStep
from wattrain_api.contract.termination import TerminationMessage

_KILLED: Final = Failure(reasons.KILLED, -9, worker=1, rank=2, node="laptop", step=120)
_UID: Final = "6b1f8a52-0d0c-4c1f-9a52-5f0f3f6d1c77"
_POWER: Final = PowerReading("cpu", "model", 44.0, 15.4, 96.8, watts=3.1, device="")
_WORKER_ENERGY: Final = PowerReading("cpu", "model", 44.0, 15.4, 96.8, watts=3.1)
_GROUP_ENERGY: Final = PowerReading("cpu", "model", 88.0, 30.8, 193.6, watts=6.2)
_CHECKPOINT: Final = Checkpoint(100, "checkpoints/step-100", 0.2, 0.01, 12345, 1795480000.1)

EXAMPLES: Final[dict[type, object]] = {
    RankReport: RankReport(
        rank=0, phase=Phase.TRAINING, step=120, total_steps=690, epoch=5, epochs=30, loss=0.31, learning_rate=0.001,
        gradient_norm=0.8, samples=64, steps=1, step_seconds=0.0021,
    ),
    Progress: Progress(
        job="digits-mlp", role=names.ROLE_WORKER, attempt=1, generation=1, node="laptop", ranks_running=2,
        phase=Phase.TRAINING, step=120, steps_done=140, total_steps=690, epoch=5, epochs=30, loss=0.31,
        learning_rate=0.001, uid=_UID, gradient_norm=0.8, step_seconds=0.0021, samples=7680,
        validation=Evaluation(115, 0.2, 0.95),
        checkpoint=Checkpoint(100, "checkpoints/step-100", 0.2, 0.01, 12345, 1795480000.1, 31.0), resumed=Resumed(100),
        power=(_POWER,), directive_version=1,
        group=GroupProgress(
            samples=15360, samples_per_second=41000.0, watts=6.2, energy=(_GROUP_ENERGY,),
            workers=(WorkerSummary(0, 2, 120, 3.1, "model", 44.0, (_WORKER_ENERGY,), _UID),),
            restarts=(RestartInPlace(1795480001.0, _KILLED, 0, 100, 6.5),),
        ),
    ),
    MemberMessage: MemberMessage(
        1, MemberState.FAILED, MemberReport(120, 7680, Phase.TRAINING, 1, "laptop", (_POWER,), _CHECKPOINT, uid=_UID),
        generation=0, host_address="127.0.0.1", failure=_KILLED,
    ),
    CoordinatorReply: CoordinatorReply(
        Action.RUN, 1, 2, master_addr="127.0.0.1", master_port=24123, restart_reason=reasons.KILLED,
        directive=Directive(1, checkpoint=True),
    ),
    Directive: Directive(2, stop_at_step=0),
    GpuLimit: GpuLimit(1, watts=300.0, clock_mhz=1200),
    GpuLimitAnswer: GpuLimitAnswer(1, APPLIED, 1, 300.0, 1200),
    TerminationMessage: TerminationMessage(
        exit_code=75, cause=_KILLED, generation=2, step=120, steps_done=160, loss=0.3, phase=Phase.TRAINING,
        checkpoint_step=100, energy=(_WORKER_ENERGY,),
    ),
    RecordedStep: RecordedStep(
        120, 1795480000.0, 5, 0.31, 0.001, samples_per_second=41000.0, watts=6.2, joules=88.0, low_joules=30.8,
        high_joules=193.6, attempt=1, generation=0,
    ),
}  # fmt: skip
