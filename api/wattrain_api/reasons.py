"""Words for every state: condition types, reasons, events, exit codes, and what an exit code means.

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images.
"""

from __future__ import annotations

from typing import Final, NamedTuple

# --- Condition types, all set at first sight -------------------------------------------------------------------
ADMITTED: Final = "Admitted"
RUNNING: Final = "Running"
SUSPENDED: Final = "Suspended"
COMPLETE: Final = "Complete"
FAILED: Final = "Failed"
CONDITION_TYPES: Final = (ADMITTED, RUNNING, SUSPENDED, COMPLETE, FAILED)
ACCEPTED: Final = "Accepted"
"""Of a PowerDomain: whether the operator acts by it. Also the reason where it does."""

# --- Reasons of conditions and events --------------------------------------------------------------------------
PENDING: Final = "Pending"
"""Not looked at yet."""
QUEUED: Final = "Queued"
"""Waits for its place in the order."""
POWER_CAP_TOO_SMALL: Final = "PowerCapTooSmall"
"""Its power domain never has the power that it may draw."""
SHEDDING: Final = "Shedding"
"""Paused, or waits, while its power domain sheds power."""
PREEMPTED_BY_PRIORITY: Final = "PreemptedByPriority"
"""Has saved and stopped, or does, so that a job of higher priority has room in its power domain."""
POWER_CAPPED: Final = "PowerCapped"
"""Held to less power than its workers draw at most."""
POWER_CAP_NOT_AS_ASKED: Final = "PowerCapNotAsAsked"
"""Held to more than was asked for, or not able to draw so little."""
POWER_CAP_LIFTED: Final = "PowerCapLifted"
BEST_POINT: Final = "BestPointChosen"
"""With how many threads its ranks train, by what was measured."""
WAITING_FOR_CLEAN_HOURS: Final = "WaitingForCleanHours"
PAUSED_IN_DIRTY_HOURS: Final = "PausedInDirtyHours"
CLEAN_HOURS_OVER: Final = "StartsByCleanHours"
"""It waits for clean hours no longer, or never did; the message says why."""
SERIES: Final = "CarbonSeries"
"""Condition of a PowerDomain: whether its series of carbon intensity can be read. Also the reason where it can."""
SERIES_UNREADABLE: Final = "CarbonSeriesUnreadable"
BUDGET_NEAR: Final = "EnergyBudgetNearlySpent"
BUDGET_SPENT: Final = "EnergyBudgetSpent"
"""Also why a job failed for good, where its budget has it stopped."""
JOB_ADMITTED: Final = "JobAdmitted"
PREPARING: Final = "PreparingData"
DATA_PREPARED: Final = "DataPrepared"
DATA_DOUBTFUL: Final = "DataDoubtful"
STARTING: Final = "WorkersStarting"
WORKER_BLOCKED: Final = "WorkerCannotStart"
"""No node takes it, its image or its volume cannot be had, or an old one cannot go: waiting alone may not help."""
WORKERS_RUNNING: Final = "WorkersRunning"
RESTARTING: Final = "WorkersRestarting"
WORKERS_RESTARTED: Final = "WorkersRestarted"
RESTARTED_IN_PLACE: Final = "WorkersRestartedInPlace"
SUSPENDING: Final = "WorkersStopping"
JOB_SUSPENDED: Final = "JobSuspended"
JOB_RESUMED: Final = "JobResumed"
NOT_SUSPENDED: Final = "NotSuspended"
NOT_FINISHED: Final = "NotFinished"
JOB_COMPLETE: Final = "TrainingComplete"
CHECKPOINT_SAVED: Final = "CheckpointSaved"
CHECKPOINT_FOUND: Final = "CheckpointFound"
"""Its first attempt went on from what an earlier job of its name had left."""
CHECKPOINT_DAMAGED: Final = "CheckpointDamaged"
EPHEMERAL_STORAGE: Final = "EphemeralStorage"
NOT_NOTIFIED: Final = "NotificationFailed"
"""The receiver of notifications could not be told of the job's end."""

# Why a job failed for good
RESTART_BUDGET_EXHAUSTED: Final = "RestartBudgetExhausted"
ACTIVE_DEADLINE_EXCEEDED: Final = "ActiveDeadlineExceeded"
START_DEADLINE_EXCEEDED: Final = "StartDeadlineExceeded"
DISRUPTED_TOO_OFTEN: Final = "DisruptedTooOften"
"""Workers were taken away again and again, and no attempt got on."""
NOT_SUPPORTED: Final = "NotSupported"

# Why a job waits: the cluster does not let the operator create what it needs, or the job cannot be read
QUOTA_EXCEEDED: Final = "QuotaExceeded"
CREATION_REFUSED: Final = "CreationRefused"
NAME_TAKEN: Final = "NameTaken"
INVALID_SPEC: Final = "InvalidSpec"
POWER_DOMAIN_NOT_FOUND: Final = "PowerDomainNotFound"
POWER_DOMAIN_UNREADABLE: Final = "PowerDomainUnreadable"
REFUSALS: Final = (QUOTA_EXCEEDED, CREATION_REFUSED, NAME_TAKEN)
"""Why the cluster may refuse to create what a job needs."""

# Why a worker, and with it the group, stopped
BAD_SPEC: Final = "BadSpec"
BAD_DATA: Final = "BadData"
INPUT_MISSING: Final = "InputMissing"
PROGRAM_FAILED: Final = "ProgramFailed"
PROGRAM_FAILS_ALWAYS: Final = "ProgramFailsTheSameWay"
NON_FINITE: Final = "NonFiniteLoss"
NO_OUTPUT: Final = "NoOutput"
"""A script has printed nothing and told no step for long."""
SAVE_FAILED: Final = "SaveFailed"
"""What was asked to save and stop ended with a failure."""
TRACKING_FAILED: Final = "TrackingFailed"
"""What spec.tracking names does not take the figures; the training goes on."""
RECORDS_INCOMPLETE: Final = "RecordsIncomplete"
"""A file beside the training, such as metrics.jsonl, cannot be written; the training goes on."""
NO_ONNX: Final = "OnnxNotWritten"
"""The model cannot be had as ONNX, or ONNX Runtime computes something else from it; the job is complete without."""
PATTERN_MISFIT: Final = "PatternDoesNotFit"
"""A metric pattern finds another number than is printed."""
PEER_LOST: Final = "PeerLost"
LEFT_EARLY: Final = "RankLeftEarly"
"""A rank ended with exit code 0 while others still needed it."""
STORAGE_UNAVAILABLE: Final = "StorageUnavailable"
NO_PROGRESS: Final = "NoProgress"
PREEMPTED: Final = "Preempted"
STOPPED_UNASKED: Final = "StoppedUnasked"
"""It ended as if SIGTERM had come, but neither the operator nor the cluster had sent one."""
KILLED: Final = "Killed"
OUT_OF_MEMORY: Final = "OutOfMemory"
CRASHED: Final = "Crashed"
WORKER_LOST: Final = "WorkerLost"
"""The worker's pod or process group vanished, was evicted, preempted or deleted."""

# --- Exit codes of a supervisor and of a recipe ----------------------------------------------------------------
EXIT_OK: Final = 0
EXIT_PROGRAM_FAILED: Final = 1
EXIT_BAD_SPEC: Final = 64
EXIT_BAD_DATA: Final = 65
EXIT_INPUT_MISSING: Final = 66
EXIT_PROGRAM_FAILS_ALWAYS: Final = 67
EXIT_NON_FINITE: Final = 70
EXIT_PEER_LOST: Final = 75
EXIT_STORAGE_UNAVAILABLE: Final = 76
EXIT_NO_PROGRESS: Final = 77
EXIT_PREEMPTED: Final = 143
"""SIGTERM came, a checkpoint was saved. Counts like any failure where neither operator nor cluster sent the signal."""


class Meaning(NamedTuple):
    """What an exit tells the restart policy."""

    reason: str
    permanent: bool
    """Never retried: the same would happen again."""
    counted: bool
    """Counts against the user's restart budget; disruptions do not."""


_MEANINGS: Final = {
    EXIT_BAD_SPEC: Meaning(BAD_SPEC, permanent=True, counted=True),
    EXIT_BAD_DATA: Meaning(BAD_DATA, permanent=True, counted=True),
    EXIT_INPUT_MISSING: Meaning(INPUT_MISSING, permanent=True, counted=True),
    EXIT_PROGRAM_FAILS_ALWAYS: Meaning(PROGRAM_FAILS_ALWAYS, permanent=True, counted=True),
    EXIT_NON_FINITE: Meaning(NON_FINITE, permanent=True, counted=True),
    EXIT_PEER_LOST: Meaning(PEER_LOST, permanent=False, counted=True),
    EXIT_STORAGE_UNAVAILABLE: Meaning(STORAGE_UNAVAILABLE, permanent=False, counted=True),
    EXIT_NO_PROGRESS: Meaning(NO_PROGRESS, permanent=False, counted=True),
    EXIT_PREEMPTED: Meaning(PREEMPTED, permanent=False, counted=True),
}
_BY_REASON: Final = {meaning.reason: meaning for meaning in _MEANINGS.values()}
_SIGKILL, _CRASH_SIGNALS = 9, (4, 6, 7, 8, 11)  # SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV


def meaning_of_exit(exit_code: int) -> Meaning:
    """What `exit_code` means; a signal may be given as -n (as Python does) or as 128 + n (as shells do).

    Exit code 0 is not an error and has no meaning here: ValueError.
    """
    if exit_code == EXIT_OK:
        raise ValueError("exit code 0 is success, it has no failure meaning")
    if exit_code in _MEANINGS:
        return _MEANINGS[exit_code]
    signal_number = -exit_code if exit_code < 0 else exit_code - 128
    if signal_number == _SIGKILL:
        return Meaning(KILLED, permanent=False, counted=True)
    if signal_number in _CRASH_SIGNALS:
        return Meaning(CRASHED, permanent=False, counted=True)
    return Meaning(PROGRAM_FAILED, permanent=False, counted=True)


def meaning_of_script_exit(exit_code: int) -> Meaning:
    """What `exit_code` of a script of the user's own means: its exit codes are its own, and only signals mean the same
    for every program. ValueError as for `meaning_of_exit`."""
    meaning = meaning_of_exit(exit_code)
    return meaning if meaning.reason in (KILLED, CRASHED) else meaning_of_reason(PROGRAM_FAILED)


def meaning_of_reason(reason: str) -> Meaning:
    """What a failure with `reason` tells the restart policy."""
    return _BY_REASON.get(reason) or Meaning(reason, permanent=False, counted=True)
