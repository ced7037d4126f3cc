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

# --- Reasons of conditions and events --------------------------------------------------------------------------
PENDING: Final = "Pending"
"""Not looked at yet."""
QUEUED: Final = "Queued"
"""Waits for its place in the order."""
JOB_ADMITTED: Final = "JobAdmitted"
PREPARING: Final = "PreparingData"
DATA_PREPARED: Final = "DataPrepared"
STARTING: Final = "WorkersStarting"
WORKER_BLOCKED: Final = "WorkerCannotStart"
"""No node takes it, or its image cannot be pulled: waiting alone may not help."""
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
EPHEMERAL_STORAGE: Final = "EphemeralStorage"

# Why a job failed for good
RESTART_BUDGET_EXHAUSTED: Final = "RestartBudgetExhausted"
ACTIVE_DEADLINE_EXCEEDED: Final = "ActiveDeadlineExceeded"
START_DEADLINE_EXCEEDED: Final = "StartDeadlineExceeded"
NOT_SUPPORTED: Final = "NotSupported"

# Why a job waits: the cluster does not let the operator create what it needs, or the job cannot be read
QUOTA_EXCEEDED: Final = "QuotaExceeded"
CREATION_REFUSED: Final = "CreationRefused"
NAME_TAKEN: Final = "NameTaken"
INVALID_SPEC: Final = "InvalidSpec"

# Why a worker, and with it the group, stopped
BAD_SPEC: Final = "BadSpec"
BAD_DATA: Final = "BadData"
INPUT_MISSING: Final = "InputMissing"
PROGRAM_FAILED: Final = "ProgramFailed"
PROGRAM_FAILS_ALWAYS: Final = "ProgramFailsTheSameWay"
NON_FINITE: Final = "NonFiniteLoss"
PEER_LOST: Final = "PeerLost"
STORAGE_UNAVAILABLE: Final = "StorageUnavailable"
NO_PROGRESS: Final = "NoProgress"
MEMBERSHIP_CHANGED: Final = "MembershipChanged"
PREEMPTED: Final = "Preempted"
KILLED: Final = "Killed"
OUT_OF_MEMORY: Final = "OutOfMemory"
CRASHED: Final = "Crashed"
WORKER_LOST: Final = "WorkerLost"
"""The worker's pod or process group vanished, was evicted, preempted or deleted."""

# --- Exit codes of a supervisor and of a recipe ----------------------------------------------------------------
EXIT_OK: Final = 0
EXIT_BAD_SPEC: Final = 64
EXIT_BAD_DATA: Final = 65
EXIT_INPUT_MISSING: Final = 66
EXIT_PROGRAM_FAILS_ALWAYS: Final = 67
EXIT_NON_FINITE: Final = 70
EXIT_PEER_LOST: Final = 75
EXIT_STORAGE_UNAVAILABLE: Final = 76
EXIT_NO_PROGRESS: Final = 77
EXIT_MEMBERSHIP_CHANGED: Final = 80
EXIT_PREEMPTED: Final = 143
"""SIGTERM came, a checkpoint was saved."""


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
    EXIT_MEMBERSHIP_CHANGED: Meaning(MEMBERSHIP_CHANGED, permanent=False, counted=False),
    EXIT_PREEMPTED: Meaning(PREEMPTED, permanent=False, counted=False),
}
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
