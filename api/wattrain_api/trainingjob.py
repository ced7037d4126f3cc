"""TrainingJob: the one object that a user writes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from wattrain_api.base import Model, Rule
from wattrain_api.data import Data
from wattrain_api.energy import Energy, Inference, Policy, Queue
from wattrain_api.registered import Recipe
from wattrain_api.status import TrainingJobStatus
from wattrain_api.tracking import Tracking
from wattrain_api.training import Checkpoint, Parallelism, Script, Training
from wattrain_api.workers import Storage, Workers

MUTABLE = (
    "suspend", "workers.replicas", "energy.budget", "energy.powerCap",
    "energy.flexibility", "energy.carbon", "policy.activeDeadlineSeconds",
    "policy.startDeadlineSeconds", "policy.progressDeadlineSeconds", "policy.ttlSecondsAfterFinished", "queue.priority",
)  # fmt: skip
"""Paths below `spec` that may change after creation (workers.replicas only where minReplicas is set). All else would
make another training of it, and is refused."""


class ObjectMeta(Model):
    """What Wattrain reads of an object's metadata."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=47)]
    """Name, a DNS label of at most 47 characters so that the names of its pods fit one too."""
    namespace: str = ""
    uid: str = ""
    generation: int = 1
    creation_timestamp: AwareDatetime | None = None
    deletion_timestamp: AwareDatetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class TrainingJobSpec(Model):
    """What is to be trained, on what, and within which limits."""

    RULES: ClassVar = (
        Rule(
            "has(self.recipe) != has(self.script)",
            "give exactly one of recipe and script",
            lambda s: (s.recipe is None) != (s.script is None),
        ),
        Rule(
            "!has(self.recipe) || has(self.data)",
            "a recipe needs data",
            lambda s: s.recipe is None or s.data is not None,
        ),
        Rule(
            "!has(self.recipe) || has(self.training)",
            "a recipe needs training (at least epochs or maxSteps)",
            lambda s: s.recipe is None or s.training is not None,
        ),
        Rule(
            "!has(self.script) || !has(self.training)",
            "training belongs to a recipe: a script brings its own; remove training",
            lambda s: s.script is None or s.training is None,
        ),
        Rule(
            "!has(self.training) || !self.training.deterministic || "
            "self.workers.replicas * self.workers.processesPerWorker <= self.training.logicalShards",
            "deterministic training needs at least one logical shard a rank: raise training.logicalShards or lower "
            "workers.replicas",
            lambda s: (
                s.training is None
                or not s.training.deterministic
                or s.workers.replicas * s.workers.processes_per_worker <= s.training.logical_shards
            ),
        ),
        Rule(
            "!has(self.training) || self.workers.replicas * self.workers.processesPerWorker <= self.training.batchSize",
            "workers.replicas x workers.processesPerWorker must not exceed training.batchSize, which is the batch of "
            "all ranks together: lower workers.replicas, or raise training.batchSize",
            lambda s: (
                s.training is None or s.workers.replicas * s.workers.processes_per_worker <= s.training.batch_size
            ),
        ),
    )

    suspend: bool = False
    """Stop the workers after a checkpoint, and go on from it when this is false again."""
    image: Annotated[str, Field(max_length=512)] = ""
    """Image of the workers; empty: the operator's default."""
    recipe: Recipe | None = None
    """A model that the worker brings; or else give script."""
    script: Script | None = None
    """A training script of the user's own; or else give recipe."""
    data: Data | None = None
    """Where the samples of a recipe come from and how they are prepared."""
    training: Training | None = None
    """How long and how a recipe is trained."""
    workers: Workers = Workers()
    """The processes that train."""
    parallelism: Parallelism = Parallelism()
    """How the work is spread over the ranks."""
    checkpoint: Checkpoint = Checkpoint()
    """When the state of the training is saved."""
    storage: Storage = Storage()
    """Where data, checkpoints and the model live."""
    tracking: Tracking = Tracking()
    """Where else the figures go, as they come."""
    policy: Policy = Policy()
    """Restarts, deadlines and what stays afterwards."""
    energy: Energy = Energy()
    """Limits on power, energy, carbon and cost."""
    queue: Queue = Queue()
    """Place in the order of admission."""
    inference: Inference = Inference()
    """Serving the trained model."""


class TrainingJob(Model):
    """A training: what is to be done (spec), and how far it is (status)."""

    api_version: Literal["wattrain.dev/v1alpha1"] = "wattrain.dev/v1alpha1"
    kind: Literal["TrainingJob"] = "TrainingJob"
    metadata: ObjectMeta
    spec: TrainingJobSpec
    status: TrainingJobStatus = TrainingJobStatus()
