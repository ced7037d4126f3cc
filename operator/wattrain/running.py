"""`wattrain.run`: the command `wattrain run` as a process, with its lines as they come and its receipt at the end.

A process of its own, because the command counts signals, starts processes and imports what a notebook may have in other
versions; and because a notebook must be able to stop it, and to leave nothing behind when it is killed itself: then
the command finds nobody who reads its output, saves and stops.
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import IO, Any

from wattrain.notebook_view import view_for_here
from wattrain.run_lines import RunLines
from wattrain.run_receipt import RunReceipt
from wattrain_api.load import InvalidInput, load_files
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.local.refused import EXIT_COMPLETE, EXIT_INTERRUPTED
from wattrain_operator.receipt.contents import Receipt

# -P: a module of the user's in the current directory must not stand in for one of the standard library.
_COMMAND = (sys.executable, "-P", "-c", "from wattrain_operator.cli import main; main()", "run", "--output=json")
_SECONDS_TO_END = 60.0
_DOCUMENT = "the job"
"""What a message calls a job that is in no file."""


class JobRefused(ValueError):  # noqa: N818 (a no is an answer, not an error of the program)
    """The job cannot be run; nothing has been started. The text says what is wrong and what to do, a line each."""


class JobFailed(RuntimeError):  # noqa: N818
    """The job has ended without being complete. The text says why."""

    def __init__(self, text: str, receipt: RunReceipt | None) -> None:
        super().__init__(text)
        self.receipt = receipt
        """What there is to tell of it; None: it left no receipt."""


def run(
    job: str | PathLike[str] | Mapping[str, Any] | TrainingJob,
    *,
    overrides: Sequence[str] = (),
    directory: str | PathLike[str] | None = None,
    progress: bool = True,
) -> RunReceipt:
    """Train `job` on this machine, as `wattrain run` does, and return its receipt when it is complete.

    `job`: a file with one TrainingJob (and PowerDomains), the same as a dict, or a TrainingJob. Relative paths in it
    start in the current directory. `overrides`: other values of fields of its spec, such as `training.epochs=3`.
    `directory`: of the run; default: runs/NAME. The same call again goes on from the checkpoints there. `progress`:
    show how it goes on, in a notebook as a line that changes in its place, elsewhere as lines.

    Raises JobRefused where the job cannot be run, JobFailed where it fails. KeyboardInterrupt, also by the button of a
    notebook, has the workers save a checkpoint and stop before it is raised; a second one stops them now. In each case
    no process is left.
    """
    with _as_file(job) as file:
        loaded = _only_job(file, overrides)
        lines = RunLines(loaded, view_for_here(sys.stdout) if progress else None)
        place = [] if directory is None else [f"--dir={Path(directory)}"]
        arguments = [*(f"--set={override}" for override in overrides), *place, "--", str(file)]
        with tempfile.TemporaryFile() as errors:
            exit_code, is_interrupted = _followed([*_COMMAND, *arguments], lines, errors)
            errors.seek(0)
            said = errors.read().decode(errors="replace")
    return _concluded(lines, exit_code, said, file, is_interrupted=is_interrupted)


@contextlib.contextmanager
def _as_file(job: str | PathLike[str] | Mapping[str, Any] | TrainingJob) -> Iterator[Path]:
    """`job` as a file, which the command takes."""
    if isinstance(job, str | PathLike):
        yield Path(job)
        return
    document = (
        job.model_dump(mode="json", by_alias=True, exclude_defaults=True) if isinstance(job, TrainingJob) else job
    )
    if isinstance(job, TrainingJob):
        document = {"apiVersion": job.api_version, "kind": job.kind, **document}
    try:
        text = json.dumps(document)
    except (TypeError, ValueError) as error:
        raise JobRefused(f"{_DOCUMENT}: {error}; give what a YAML file could hold") from error
    with tempfile.TemporaryDirectory(prefix="wattrain-run-") as folder:
        file = Path(folder) / "job.json"
        file.write_text(text, encoding="utf-8")
        yield file


def _only_job(file: Path, overrides: Sequence[str]) -> TrainingJob:
    try:
        jobs = load_files([file], overrides).jobs
    except InvalidInput as error:
        raise JobRefused(_without_place("\n".join(map(str, error.problems)), file)) from None
    if len(jobs) != 1:
        names = ", ".join(job.metadata.name for job in jobs)
        raise JobRefused(
            f"{file}: has {len(jobs)} TrainingJobs ({names}); give a file with one, or run them one by one"
        )
    return jobs[0]


def _followed(command: list[str], lines: RunLines, errors: IO[bytes]) -> tuple[int, bool]:
    """Run `command`, whose lines `lines` takes; its exit code, and whether it was interrupted from here."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
        start_new_session=True,  # Ctrl-C in a terminal reaches us alone, and we hand it on: once, not twice
    )  # fmt: skip
    came: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process, came), daemon=True)
    reader.start()
    is_interrupted = False
    try:
        while True:
            try:
                line = came.get()
                if line is None:
                    break
                lines.take(line)
            except KeyboardInterrupt:
                is_interrupted = True
                process.send_signal(signal.SIGINT)
        return process.wait(_SECONDS_TO_END), is_interrupted
    finally:
        _end(process)
        reader.join()


def _read(process: subprocess.Popen[str], came: queue.SimpleQueue[str | None]) -> None:
    """In a thread of its own: what a read in the main thread has begun, an interruption would lose."""
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            came.put(line)
    came.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    """Whatever went wrong here, such as an output that cannot be written: no process is left."""
    for number in (
        signal.SIGINT,
        signal.SIGINT,
        signal.SIGKILL,
    ):  # save and stop; stop; the workers follow their parent
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_END)


def _concluded(lines: RunLines, exit_code: int, said: str, file: Path, *, is_interrupted: bool) -> RunReceipt:
    result = lines.result
    if result is None or exit_code == EXIT_INTERRUPTED:
        if is_interrupted:
            raise KeyboardInterrupt
        if result is not None:
            raise JobFailed("\n".join(result.sentences), None)
        if lines.refusal:
            raise JobRefused(_without_place("\n".join(lines.refusal), file))
        raise JobFailed(f"wattrain run ended with {exit_code} and said no more than: {said.strip()[-2000:]}", None)
    receipt = None
    if result.receipt is not None:
        directory = result.receipt.parent.absolute()
        document = (directory / "receipt.json").read_bytes()
        receipt = RunReceipt(Receipt.model_validate_json(document), result.status, directory)
    if exit_code != EXIT_COMPLETE or receipt is None:
        raise JobFailed("\n".join(result.sentences), receipt)
    return receipt


def _without_place(text: str, file: Path) -> str:
    """`text` without the name of a file that the user did not give."""
    return text.replace(str(file), _DOCUMENT) if file.parent.name.startswith("wattrain-run-") else text
