"""The tracker `tensorBoard`: event files, as TensorBoard reads them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from typing import Final

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from wattrain_api.contract.recorded_step import RecordedStep
from wattrain_worker.tracking.follower import TrackingError
from wattrain_worker.tracking.tracked_end import TrackedEnd
from wattrain_worker.tracking.tracked_figures import TrackedFigure, figures_of, figures_of_evaluation
from wattrain_worker.tracking.tracked_job import TrackedJob

DIRECTORY: Final = "tensorboard"
_FILE_VERSION: Final = "brain.Event:2"
"""From this version on, readers drop the steps that a restart repeats."""


class TensorBoardFiles:
    """One event file a process. Each step is in them once for a reader: before steps come again, a mark says that the
    events from there on do not count any more. It is also the first event of each process, which may not know how much
    the one before it had written."""

    def __init__(self, job: TrackedJob) -> None:
        self._job = job
        self._directory = job.metrics_file.parent / DIRECTORY
        self._writer: RecordWriter | None = None
        self._last_step: int | None = None

    def send(self, lines: Sequence[RecordedStep]) -> None:
        """As Tracker says."""
        try:
            writer = self._writer or self._open(lines[0])
            for line in lines:
                if line.phase is None and self._last_step is not None and line.step <= self._last_step:
                    self._mark(writer, line)
                self._write(writer, line.time or time.time(), list(figures_of(line)))
                self._last_step = line.step
            writer.flush()
        except OSError as error:
            self._give_up()
            raise TrackingError(
                f"{self._directory} cannot be written ({error.strerror}): make room, or have it writable by "
                "workers.runAsUser"
            ) from error

    def finish(self, end: TrackedEnd) -> None:
        """As Tracker says."""
        if self._writer is None or end.test is None:
            return
        try:
            self._write(self._writer, time.time(), list(figures_of_evaluation("test", end.test)))
            self._writer.flush()
        except OSError as error:
            raise TrackingError(f"{self._directory} cannot be written ({error.strerror}): make room") from error

    def _open(self, first: RecordedStep) -> RecordWriter:
        self._directory.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._writer = writer = RecordWriter((self._directory / name).open("wb"))
        began = first.time or time.time()
        writer.write(Event(wall_time=began, file_version=_FILE_VERSION).SerializeToString())
        self._mark(writer, first)
        parameters = hparams_pb(dict(self._job.parameters), trial_id=self._job.uid or None, start_time_secs=began)
        writer.write(Event(wall_time=began, step=0, summary=parameters).SerializeToString())
        return writer

    def _give_up(self) -> None:
        """The next try begins another file: what this one ends with may be torn, and a reader stops there."""
        writer, self._writer, self._last_step = self._writer, None, None
        if writer is not None:
            try:
                writer.close()
            except OSError:
                return

    @staticmethod
    def _mark(writer: RecordWriter, line: RecordedStep) -> None:
        start = SessionLog(status=SessionLog.START)
        writer.write(Event(wall_time=line.time or time.time(), step=line.step, session_log=start).SerializeToString())

    @staticmethod
    def _write(writer: RecordWriter, wall_time: float, figures: Sequence[TrackedFigure]) -> None:
        by_step: dict[int, list[Summary.Value]] = {}
        for figure in figures:
            by_step.setdefault(figure.step, []).append(Summary.Value(tag=figure.name, simple_value=figure.value))
        for step, values in by_step.items():
            writer.write(Event(wall_time=wall_time, step=step, summary=Summary(value=values)).SerializeToString())


def open_tracker(job: TrackedJob) -> TensorBoardFiles:
    """The tracker of `job`."""
    return TensorBoardFiles(job)
