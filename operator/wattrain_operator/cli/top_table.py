"""Jobs of a cluster as a table: how far, how well, at what power, and who waits for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from wattrain_operator.cli import figures
from wattrain_operator.cli.braille_plot import braille
from wattrain_operator.local.curve import LossPoints
from wattrain_operator.remote.seen_job import SeenJob

SPARKLINE_CHARACTERS: Final = 12
_BAR_CHARACTERS: Final = 8
_ORDER: Final = ("Running", "Restarting", "Starting", "Preparing", "Suspending", "Queued", "Pending", "Suspended",
                 "Failed", "Complete")  # fmt: skip
"""What somebody wants to see first."""
_COLUMNS: Final[tuple[str, ...]] = (
    "NAME", "STATE", "PROGRESS", "STEP", "LOSS", "CURVE", "WATTS", "JOULES", "LEFT", "WORKERS", "QUEUE", "DOMAIN",
    "AGE",
)  # fmt: skip
_FIRST_LEFT_OUT: Final = (
    "AGE", "WORKERS", "JOULES", "DOMAIN", "STEP", "NAMESPACE", "QUEUE", "CURVE", "LEFT", "WATTS", "PROGRESS", "LOSS",
)  # fmt: skip
"""In a narrow terminal."""
_GAP: Final = "   "
_RIGHT: Final = frozenset({"STEP", "LOSS", "WATTS", "JOULES", "LEFT", "AGE", "WORKERS"})


class Table(NamedTuple):
    """Columns and rows of text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def lines(self) -> list[str]:
        """As plain text, columns aligned."""
        texts = (self.columns, *self.rows)
        widths = [max(len(row[i]) for row in texts) for i in range(len(self.columns))]
        return [_GAP.join(self._cell(i, row[i], widths[i]) for i in range(len(row))).rstrip() for row in texts]

    def fitting(self, width: int) -> Table:
        """With the columns that matter most, as many as fit a terminal `width` columns wide; the name and the state
        always."""
        made = self
        for column in _FIRST_LEFT_OUT:
            if max(map(len, made.lines())) <= width:
                break
            made = made.without([i for i, name in enumerate(made.columns) if name == column])
        return made

    def without(self, left_out: Sequence[int]) -> Table:
        """All columns but those."""
        columns, *rows = (
            tuple(text for i, text in enumerate(row) if i not in left_out) for row in (self.columns, *self.rows)
        )
        return Table(columns, tuple(rows))

    def is_right(self, column: int) -> bool:
        """Whether it has numbers, whose ends stand below each other."""
        return self.columns[column] in _RIGHT

    def _cell(self, column: int, text: str, width: int) -> str:
        return f"{text:>{width}}" if self.is_right(column) else f"{text:<{width}}"


def order(job: SeenJob) -> tuple[object, ...]:
    """Those that train first, then the queue in its order, at last what is over."""
    return _ORDER.index(job.status.state), job.status.queue.position, job.namespace, job.name


def table(jobs: Sequence[SeenJob], losses: dict[str, LossPoints], now: datetime, *, with_namespace: bool) -> Table:
    """`jobs` in the order in which they are to be looked at; `losses` by uid, what was seen of them."""
    columns = _COLUMNS
    rows = [_row(job, losses.get(job.uid), now) for job in sorted(jobs, key=order)]
    if with_namespace:
        columns = ("NAMESPACE", *columns)
        rows = [(job.namespace, *row) for job, row in zip(sorted(jobs, key=order), rows, strict=True)]
    empty = [i for i, column in enumerate(columns) if column == "CURVE" and not any(row[i] for row in rows)]
    # What nobody has seen yet is no column: a table that is printed once has no curves.
    return Table(columns, tuple(rows)).without(empty)


def summary(jobs: Sequence[SeenJob]) -> str:
    """`5 jobs: 1 Running, 2 Queued, 2 Complete; 8.1 W`."""
    states = Counter(job.status.state for job in jobs)
    told = ", ".join(f"{states[state]} {state}" for state in _ORDER if states[state])
    known = [job.status.energy.watts for job in jobs if job.status.energy.watts]
    power = f"; {figures.watts(sum(known))}" if known else ""
    return f"{len(jobs)} job{'' if len(jobs) == 1 else 's'}: {told}{power}" if jobs else "no jobs"


def _row(job: SeenJob, losses: LossPoints | None, now: datetime) -> tuple[str, ...]:
    status = job.status
    progress = status.progress
    if status.state in figures.STATES_BEFORE_TRAINING:
        progress = None  # what is there is of a generation that is dead
    step = "" if progress is None else str(progress.step)
    total = "" if progress is None or not progress.total_steps else f"/{progress.total_steps}"
    trains = status.state == "Running"
    left = None if progress is None or not trains else progress.eta_seconds
    workers = f"{status.workers.ready}/{status.workers.desired}" if status.workers.desired else ""
    modelled = "~" if status.energy.source and "model" in status.energy.source else ""
    return (
        job.name,
        status.state,
        "" if progress is None or progress.percent is None else _bar(progress.percent),
        f"{step}{total}",
        "" if progress is None else figures.loss(progress.shown_loss),
        "" if losses is None or len(losses.points) < 2 else braille(losses.points, SPARKLINE_CHARACTERS, 1)[0],
        f"{modelled}{status.energy.watts:.1f}" if trains and status.energy.watts is not None else "",
        f"{modelled}{figures.joules(status.energy.joules)}" if status.energy.meters else "",
        figures.seconds(left) if left else "",
        "" if job.is_over else workers,
        _queue(job),
        job.power_domain,
        "" if job.created_time is None else figures.seconds((now - job.created_time).total_seconds()),
    )


def _bar(percent: float) -> str:
    """`████░░░░  50 %`."""
    full = round(_BAR_CHARACTERS * min(100.0, max(0.0, percent)) / 100)
    return f"{'█' * full}{'░' * (_BAR_CHARACTERS - full)} {percent:3.0f} %"


def _queue(job: SeenJob) -> str:
    """`2, held by team-a/big`."""
    if job.status.state != "Queued":
        return ""
    queue = job.status.queue
    held = f", held by {queue.held_by}" if queue.held_by else ""
    return f"{queue.position}{held}" if queue.position else "waits"
