"""Every name that crosses a process border: API group, labels, environment variables, files and ports.

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images.
"""

from __future__ import annotations

from typing import Final

# --- API -------------------------------------------------------------------------------------------------------
GROUP: Final = "wattrain.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
DEFAULT_POWER_DOMAIN: Final = "default"

# --- Labels on children. Only what somebody selects on is a label. ---------------------------------------------
LABEL_JOB: Final = f"{GROUP}/job"
"""Name of the TrainingJob that owns the pod."""
LABEL_ROLE: Final = f"{GROUP}/role"
"""`prepare` or `worker`."""
LABEL_ATTEMPT: Final = f"{GROUP}/attempt"
"""Attempt of the job that the pod belongs to; pods of an older attempt than the status names are removed."""
LABEL_WORKER: Final = f"{GROUP}/worker-index"
"""Index of the worker in its group, 0-based."""
ANNOTATION_SPEC: Final = f"{GROUP}/spec"
"""On a pod: the job's spec as JSON, which the pod finds as a file."""
ANNOTATION_DIRECTIVE: Final = f"{GROUP}/directive"
"""On the pod of worker 0: what its group is to do, as JSON (`contract.directive`), which the pod finds as a file."""

# --- Roles -----------------------------------------------------------------------------------------------------
ROLE_PREPARE: Final = "prepare"
ROLE_WORKER: Final = "worker"

# --- Environment of a supervisor: what the operator tells it ---------------------------------------------------
ENV_JOB: Final = "WATTRAIN_JOB"
"""Name of the TrainingJob."""
ENV_NAMESPACE: Final = "WATTRAIN_NAMESPACE"
"""Namespace of the TrainingJob; `local` on a machine without a cluster."""
ENV_JOB_UID: Final = "WATTRAIN_JOB_UID"
ENV_CHILD_UID: Final = "WATTRAIN_CHILD_UID"
"""Uid of the child that the supervisor is, under which its joules are entered. Unset: not known."""
ENV_ROLE: Final = "WATTRAIN_ROLE"
"""`prepare` or `worker`."""
ENV_SPEC: Final = "WATTRAIN_SPEC"
"""Path of a file with the TrainingJob's `spec` as JSON, defaults filled in."""
ENV_ATTEMPT: Final = "WATTRAIN_ATTEMPT"
"""Attempt of the job, 1-based."""
ENV_WORKER_INDEX: Final = "WATTRAIN_WORKER_INDEX"
"""Index of this worker, 0-based; 0 is the one whose supervisor decides for the group."""
ENV_WORKERS: Final = "WATTRAIN_WORKERS"
"""Number of workers in the group."""
ENV_COORDINATOR: Final = "WATTRAIN_COORDINATOR"
"""`host:port` of the supervisor of worker 0."""
ENV_GROUP_TOKEN: Final = "WATTRAIN_GROUP_TOKEN"
"""Secret of the attempt; the coordinator refuses members that do not send it."""
ENV_PORT: Final = "WATTRAIN_PORT"
"""Port of this supervisor's /metrics, /healthz and /v1/progress; default 9400."""
ENV_LISTEN_FD: Final = "WATTRAIN_LISTEN_FD"
"""An inherited listening socket to serve on instead of ENV_PORT, so that no port can be lost in a race."""
ENV_PARENT_FD: Final = "WATTRAIN_PARENT_FD"
"""An inherited pipe's read end. End of file means that the launcher is gone: stop the ranks and exit."""
ENV_HOST_ADDRESS: Final = "WATTRAIN_HOST_ADDRESS"
"""Address under which the other workers reach this one; worker 0's becomes MASTER_ADDR."""
ENV_NODE: Final = "WATTRAIN_NODE"
"""Name of the machine, for messages."""
ENV_DATA_DIR: Final = "WATTRAIN_DATA_DIR"
"""Directory of prepared shards and `prepare.json`."""
ENV_CHECKPOINT_DIR: Final = "WATTRAIN_CHECKPOINT_DIR"
ENV_MODEL_DIR: Final = "WATTRAIN_MODEL_DIR"
ENV_PREPARE: Final = "WATTRAIN_PREPARE"
"""`own`: the worker shares its data directory with nobody, so it prepares the data itself before it joins the group."""
PREPARE_OWN: Final = "own"
ENV_METRICS_FILE: Final = "WATTRAIN_METRICS_FILE"
"""JSON lines, one a recorded step, written by the supervisor of worker 0. Unset: not written."""
ENV_LOG_FILE: Final = "WATTRAIN_LOG_FILE"
"""Where the output of the ranks goes. Unset: the supervisor's own output."""
ENV_KEPT_LOG_FILE: Final = "WATTRAIN_KEPT_LOG_FILE"
"""Where the output of the ranks is kept besides, the last 10 to 20 MiB of it. Unset: nowhere."""
ENV_TERMINATION_FILE: Final = "WATTRAIN_TERMINATION_FILE"
"""Where the supervisor leaves its termination message (JSON, at most 4,096 bytes); default /dev/termination-log."""
ENV_GRACE_SECONDS: Final = "WATTRAIN_GRACE_SECONDS"
"""Seconds between SIGTERM and SIGKILL that a rank gets to save a checkpoint."""
ENV_RESTARTS_LEFT: Final = "WATTRAIN_RESTARTS_LEFT"
"""How often the group may restart in place before its workers give up and the operator decides."""
ENV_JOULES_BEFORE: Final = "WATTRAIN_JOULES_BEFORE"
"""Joules that the job had used before this attempt; the lines of ENV_METRICS_FILE count on from there."""
ENV_JOULES_LOW_BEFORE: Final = "WATTRAIN_JOULES_LOW_BEFORE"
"""The least that these may have been."""
ENV_JOULES_HIGH_BEFORE: Final = "WATTRAIN_JOULES_HIGH_BEFORE"
"""The most that these may have been."""
ENV_DIRECTIVE_FILE: Final = "WATTRAIN_DIRECTIVE_FILE"
"""File with the newest directive of the operator (`contract.directive`), at worker 0. Unset: none comes."""
ENV_CPU_SCOPE: Final = "WATTRAIN_CPU_SCOPE"
"""`cgroup`: this container's CPU time is the worker's. `process`: only the supervisor's process tree is."""
ENV_CPU_LIMIT: Final = "WATTRAIN_CPU_LIMIT"
"""CPUs that the worker may use, as a decimal number, for the power model and the number of threads."""
ENV_CPU_REQUEST_MILLICPUS: Final = "WATTRAIN_CPU_REQUEST_MILLICPUS"
"""CPUs that are set aside for the worker, in thousandths, for the power model; 0: none are."""
ENV_MEMORY_REQUEST: Final = "WATTRAIN_MEMORY_REQUEST"
"""Bytes of memory that the worker asked for, for the power model."""

# --- Environment of a rank, besides RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT and PET_* ------------
ENV_GENERATION: Final = "WATTRAIN_GENERATION"
"""Start of the group within the attempt, 0-based; one more after every restart in place."""
ENV_REPORT_SOCKET: Final = "WATTRAIN_REPORT_SOCKET"
"""Unix datagram socket that takes the reports of the training loop."""
ENV_RANK_DIRECTIVE_FILE: Final = "WATTRAIN_RANK_DIRECTIVE_FILE"
"""File in which a recipe's rank finds the newest directive that its supervisor has taken; it may be missing."""
ENV_RESTART_REASON: Final = "WATTRAIN_RESTART_REASON"
"""Why this generation was started; empty the first time."""

# --- Ports and paths of the supervisor's HTTP server -----------------------------------------------------------
DEFAULT_WORKER_PORT: Final = 9400
PATH_METRICS: Final = "/metrics"
PATH_HEALTH: Final = "/healthz"
PATH_PROGRESS: Final = "/v1/progress"
PATH_GROUP: Final = "/v1/group"

# --- Files -----------------------------------------------------------------------------------------------------
DIRECTORY_RECORDS: Final = "records"
"""Below a job's directory on a claim: what it has recorded, and what its workers have printed."""
FILE_METRICS: Final = "metrics.jsonl"
FILE_PREPARE: Final = "prepare.json"
FILE_MODEL: Final = "model.json"
FILE_WEIGHTS: Final = "model.safetensors"
FILE_MANIFEST: Final = "manifest.json"
FILE_LATEST: Final = "LATEST"
TERMINATION_MESSAGE_BYTES: Final = 4096
"""Kubernetes cuts a container's termination message at this size."""


def child_name(job: str, role: str, attempt: int, worker: int = 0) -> str:
    """Name of a child. The same job, role, attempt and worker always give the same name, so creating is idempotent."""
    return f"{job}-{attempt}-{worker}" if role == ROLE_WORKER else f"{job}-{role}-{attempt}"
