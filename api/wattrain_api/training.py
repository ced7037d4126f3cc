"""`spec.script` and `spec.training`: what is trained and how. Recipes are in `registered.py`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from wattrain_api.base import Model, Path, Rule
from wattrain_api.claim_source import ClaimSource
from wattrain_api.contract.metric_pattern import PLACEHOLDER, compile_pattern

Argument = Annotated[str, Field(max_length=4096)]
Seconds = Annotated[int, Field(ge=1, le=31_536_000)]


def _check_pattern(text: str) -> str:
    compile_pattern("", text)
    return text


Pattern = Annotated[str, AfterValidator(_check_pattern), Field(max_length=512)]

SCRIPT_METRICS = ("step", "totalSteps", "epoch", "epochs", "loss", "learningRate", "gradientNorm", "samples")
"""What a script may say in its output, by the names of its reports."""


class Script(Model):
    """A training script of the user's own. It finds RANK, WORLD_SIZE and MASTER_ADDR in its environment."""

    RULES: ClassVar = (
        Rule(
            "self.metricPatterns.all(name, name in ['step', 'totalSteps', 'epoch', 'epochs', 'loss', 'learningRate', "
            "'gradientNorm', 'samples'])",
            f"metricPatterns takes the names {', '.join(SCRIPT_METRICS)}",
            lambda s: all(name in SCRIPT_METRICS for name in s.metric_patterns),
        ),
        Rule(
            "self.metricPatterns.all(name, self.metricPatterns[name].contains('{number}') || "
            "self.metricPatterns[name].contains('('))",
            "each of metricPatterns must say where the number is, as in 'loss={number}', or with it in a group",
            lambda s: all(PLACEHOLDER in pattern or "(" in pattern for pattern in s.metric_patterns.values()),
        ),
    )

    command: Annotated[tuple[Argument, ...], Field(min_length=1, max_length=64)]
    """Program and its first arguments: what each rank runs, or torchrun or accelerate launch, which are started once a
    worker and find their group."""
    args: Annotated[tuple[Argument, ...], Field(max_length=256)] = ()
    """Further arguments."""
    metric_patterns: Annotated[dict[Annotated[str, Field(max_length=63)], Pattern], Field(max_length=16)] = {}
    """What finds numbers in the output, by metric (step, loss, ...): `loss={number}` takes every number after `loss=`,
    nan and inf too, but not that after `val_loss=`. More is possible with regular expressions: their first group
    counts."""


class Optimizer(Model):
    """What turns gradients into steps."""

    name: Literal["sgd", "adam", "adamw", "adafactor", "muon"] = "adamw"
    """Which optimizer. `muon` changes the hidden weight matrices; all else (embeddings, biases, kernels, norms, the
    output layer) is AdamW's, at the same learning rate."""
    lr: Annotated[float, Field(gt=0, le=1000)] = 1e-3
    """Learning rate. Of adafactor the largest step in proportion to a parameter's size: 0.01 is usual there."""
    weight_decay: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Weight decay."""
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Momentum (sgd, muon). Default: 0 for sgd, 0.95 for muon."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay of the mean of gradients (adam, adamw, and what muon leaves to AdamW)."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the mean of squared gradients (adam, adamw, and what muon leaves to AdamW)."""
    clip_gradient_norm: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Scale gradients down to this norm where it is larger."""


class Schedule(Model):
    """How the learning rate changes."""

    name: Literal["constant", "linear", "cosine", "one-cycle"] = "constant"
    """`linear` and `cosine` fall to zero at the last step. `one-cycle` rises from a 25th of the learning rate to all of
    it, and falls to a 250,000th, both along a cosine."""
    warmup_steps: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    """Steps over which the learning rate rises: from zero, or as one-cycle does. Default: 0; of one-cycle 30 % of all
    steps."""


class Every(Model):
    """How often: exactly one of the units."""

    RULES: ClassVar = (
        Rule(
            "has(self.steps) != has(self.seconds)",
            "give exactly one of steps and seconds",
            lambda e: (e.steps is None) != (e.seconds is None),
        ),
    )

    steps: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Every so many steps."""
    seconds: Seconds | None = None
    """Every so many seconds."""


MetricName = Literal[
    "accuracy",
    "balancedAccuracy",
    "f1",
    "rocAuc",
    "mse",
    "mae",
    "r2",
    "bitsPerByte",
    "perplexity",
    "maskedAccuracy",
    "nextSentenceAccuracy",
    "recallAt10",
    "ndcgAt10",
]
"""What an evaluation may have beside its loss: fields of `Evaluation` in the contract, as they are sent."""
EvaluationMetric = Literal["loss", MetricName]
"""What an evaluation says of a model. Those of FALLING are better where they are lower, the others where higher."""
FALLING: Final[tuple[EvaluationMetric, ...]] = ("loss", "mse", "mae", "bitsPerByte", "perplexity")


class EarlyStopping(Model):
    """Stop when the validation split no longer improves."""

    metric: EvaluationMetric = "loss"
    """What is watched: a metric of the task. loss, mse, mae, bitsPerByte and perplexity are to fall, the others to
    rise."""
    patience: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Evaluations without improvement that are waited for."""
    min_delta: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Smallest change that counts as improvement."""


class InitialModel(Model):
    """A model of a job that is complete: the directory of its run, or `model` in it. Exactly one of the two."""

    RULES: ClassVar = (
        Rule(
            "has(self.path) != has(self.claim)",
            "give exactly one of path and claim",
            lambda m: (m.path is None) != (m.claim is None),
        ),
        Rule(
            "!has(self.path) || !self.path.contains('://')",
            "path is a directory, not an address: copy the model to a claim, and write the path there",
            lambda m: m.path is None or "://" not in m.path,
        ),
    )

    path: Path | None = None
    """A directory, as in runs/topics-bert; on a cluster one of the worker's image."""
    claim: ClaimSource | None = None
    """A directory on a PersistentVolumeClaim in the job's namespace, as in topics-bert of a storage.claim."""


class Training(Model):
    """How long and how it is trained."""

    RULES: ClassVar = (
        Rule(
            "has(self.epochs) != has(self.maxSteps)",
            "give exactly one of epochs and maxSteps",
            lambda t: (t.epochs is None) != (t.max_steps is None),
        ),
        Rule(
            "self.gradientAccumulation <= self.batchSize",
            "gradientAccumulation must not exceed batchSize: each micro-batch needs a sample",
            lambda t: t.gradient_accumulation <= t.batch_size,
        ),
        Rule(
            "!(self.deterministic && self.compile)",
            "deterministic and compile exclude each other: compiled code depends on the shapes seen before, and so on "
            "restarts",
            lambda t: not (t.deterministic and t.compile),
        ),
        Rule(
            "!(self.compile && self.auto.exists(choice, choice == 'compile'))",
            "auto decides about compile, or compile: true does; remove one of them",
            lambda t: not (t.compile and "compile" in t.auto),
        ),
    )

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Passes over the training split."""
    max_steps: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Optimizer steps, however many passes they are."""
    batch_size: Annotated[int, Field(ge=1, le=16_777_216)] = 64
    """Samples an optimizer step, over all workers together: the same whatever the number of workers."""
    gradient_accumulation: Annotated[int, Field(ge=1, le=65_536)] = 1
    """Micro-batches that each worker's share of a step is cut into."""
    optimizer: Optimizer = Optimizer()
    """What turns gradients into steps."""
    schedule: Schedule = Schedule()
    """How the learning rate changes."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of an exponential moving average of the weights, such as 0.999: the averaged model is what is evaluated,
    tested and exported, while the training goes on with its own. Default: no average."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced`: the loss of a sample counts by rows / (classes x rows of its class), all of the training split, so
    that each class has the same weight. It holds for the losses of validation and test too. At most 100 classes."""
    initial_model: InitialModel | None = None
    """What the training begins with in place of random weights: for bert-classifier a model that bert exported, whose
    tokenizer is used too. recipe.params and data.text must be such that its weights fit."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of initial weights, order of samples and dropout."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Type of the arithmetic in the model's forward and backward pass; weights and optimizer keep fp32. fp16 scales the
    loss, so that small gradients do not become 0."""
    compile: bool = False
    """Compile the model with torch.compile. The image needs a C++ compiler for it, which the default one has not."""
    auto: Annotated[tuple[Literal["compile", "fused", "channelsLast"], ...], Field(max_length=3)] = ()
    """What is chosen by measuring some steps with and without, at the start and on copies of the model: `compile`, as
    above; `fused`, whether the optimizer changes all parameters in one kernel, as it does by default; `channelsLast`,
    whether the weights of a model of pictures have the channels last in memory. The ranks choose alike, the job's
    status says what, and a restart keeps it. Deterministic training measures nothing and keeps what it has without."""
    deterministic: bool = False
    """The same losses, bit for bit, on any number of workers and after any restart. It costs speed."""
    logical_shards: Annotated[int, Field(ge=1, le=4096)] = 12
    """Parts that each global batch is cut into in deterministic mode; the number of ranks must not exceed it."""
    non_finite: Literal["fail", "skip", "rollback"] = "fail"
    """What becomes of a step whose loss or gradient is no finite number: `fail` ends the job; `skip` leaves the step
    out, up to ten in a row; `rollback` goes back to the newest checkpoint and on with the batches after that step, up
    to three times from the same checkpoint."""
    evaluate_every: Every | None = None
    """How often the validation split is evaluated; default: after every epoch."""
    record_every_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Steps from one recorded loss to the next. They are told in batches, about five times a second."""
    early_stopping: EarlyStopping | None = None
    """Stop when the validation split no longer improves."""
    export: Literal["last", "best"] | None = None
    """Which model is tested at the end and exported: `last`, that of the last step, or `best`, that of the evaluation
    at which `bestMetric` of the validation split was best. Default: best with earlyStopping, else last. The best one is
    part of every checkpoint, which is larger by a model for it."""
    best_metric: EvaluationMetric | None = None
    """What the best model is chosen by; of equals the earlier. Default: the metric of earlyStopping, else loss."""
    onnx: bool = False
    """Write the exported model as an ONNX graph too (model.onnx), if ONNX Runtime computes the same from it on samples
    that were not trained on. The worker needs onnx, onnxscript and onnxruntime."""

    @property
    def export_metric(self) -> EvaluationMetric | None:
        """What the exported model is chosen by; None: it is that of the last step."""
        if (self.export or ("best" if self.early_stopping else "last")) == "last":
            return None
        return self.best_metric or (self.early_stopping.metric if self.early_stopping else "loss")

    @property
    def watched_metric(self) -> EvaluationMetric | None:
        """What the exported model is chosen by, else what the training stops by; None: nothing is watched."""
        return self.export_metric or (self.early_stopping.metric if self.early_stopping else None)


class Parallelism(Model):
    """How the work is spread over the ranks."""

    strategy: Literal["DDP", "FSDP", "LocalSGD"] = "DDP"
    """`DDP`: every rank holds the whole model."""
    tensor: Annotated[int, Field(ge=1, le=1024)] = 1
    """Ranks that share each layer."""
    pipeline: Annotated[int, Field(ge=1, le=1024)] = 1
    """Stages that the layers are cut into."""


class Checkpoint(Model):
    """When the state of the training is saved."""

    every: Every = Every(seconds=60)
    """How often."""
    keep: Annotated[int, Field(ge=2, le=1000)] = 3
    """How many are kept; at least two, so that a damaged one has a predecessor."""
    asynchronous: Annotated[bool, Field(alias="async")] = True
    """Write while the training goes on."""
