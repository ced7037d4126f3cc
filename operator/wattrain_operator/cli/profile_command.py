"""`wattrain profile`: has a training that runs, here or on a cluster, profile some steps, and prints what took most of
the time."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from wattrain_api import names
from wattrain_api.contract.directive import next_directive
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cli.cluster_options import Context, Kubeconfig, Namespace, in_cluster, place_of
from wattrain_operator.cli.completion import complete_job
from wattrain_operator.cli.refusal import say_no
from wattrain_operator.local.directive_writing import given_directive, sole_writer, write_directive
from wattrain_operator.local.refused import EXIT_BAD_INPUT, EXIT_COMPLETE, EXIT_FAILED, EXIT_INTERRUPTED
from wattrain_operator.local.rundir import is_in_use

if TYPE_CHECKING:
    from wattrain_operator.remote.connection import Connection

_LOOK_SECONDS: Final = 0.2


def profile(
    target: Annotated[
        str,
        typer.Argument(
            metavar="DIR|NAME",
            help="A run that trains a recipe now: its directory, if there is one of that name here; else the name of a "
            "job on the cluster.",
            show_default=False,
            autocompletion=complete_job,
        ),
    ],
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Steps that are profiled.")] = 5,
    rank: Annotated[int, typer.Option(min=0, help="Rank whose steps these are.")] = 0,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Profile some steps of a training that runs, and print the operators that took most of the time.

    The trace is in DIR/profiles, or in profiles/ of the job's storage, for chrome://tracing or https://ui.perfetto.dev.
    What is trained stays the same. On a cluster it takes the right to change pods, which the role edit has.
    Exit code: 0, 1 where the training ended before, 2 bad input, 130 interrupted: the profile is written all the same.
    """
    directory = Path(target)
    if directory.is_dir():
        _profile_here(directory, steps, rank)
        return
    if directory.parent != Path():
        _refuse(f"{target}: there is no such directory; name that of a run, or a job on the cluster by its name")

    async def ask(connection: Connection) -> int:
        return await _profile_there(connection, target, steps, rank)

    in_cluster(
        place_of(namespace, context, kubeconfig), ask, as_json=False,
        interrupted=f"interrupted; the profile will be in profiles/ of the storage of {target}",
    )  # fmt: skip


async def _profile_there(connection: Connection, name: str, steps: int, rank: int) -> int:
    from wattrain_operator.remote.profile_request import profile_of

    job, found = await profile_of(connection, name, steps, rank, lambda sentence: typer.echo(sentence, err=True))
    typer.echo(found.table)
    typer.echo(found.said)
    if not job.claim_address:
        typer.echo(
            f"{name} has no spec.storage.claim: that directory goes with its pod, worker {found.worker}", err=True
        )
    else:
        typer.echo(f"on the claim: {job.claim_address}/profiles")
    return EXIT_COMPLETE


def _profile_here(directory: Path, steps: int, rank: int) -> None:
    file = _directive_file(directory, rank)
    there = _tables(directory, rank)
    with sole_writer(file):
        old = given_directive(file)
        if old is not None and old.stop_at_step is not None:
            _refuse(f"{directory}: this training has been asked to stop; profile it when it runs again")
        new = next_directive(old, 1 if old is None else old.version + 1)
        write_directive(file, replace(new, profile_steps=steps, profile_rank=rank))
    typer.echo(f"profiling {steps} steps of rank {rank}", err=True)
    try:
        table = _wait(directory, rank, there)
    except KeyboardInterrupt:
        typer.echo(f"interrupted; the profile will be in {directory / 'profiles'}", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if table is None:
        _refuse(f"{directory}: the training ended before the profile was written; its log may say why", EXIT_FAILED)
    typer.echo(table.read_text(encoding="utf-8"))
    typer.echo(f"trace: {table.with_suffix('.trace.json')}")


def _directive_file(directory: Path, rank: int) -> Path:
    """Where worker 0 of the run finds what is asked of it. Refuses a run that cannot be asked."""
    if not is_in_use(directory):
        _refuse(f"{directory}: no training runs there; name the directory of one that does, such as runs/NAME")
    try:
        job = TrainingJob.model_validate(json.loads((directory / "job.json").read_bytes()), extra="ignore")
        attempt = json.loads((directory / "status.json").read_bytes()).get("attempt", 0)
    except (OSError, ValueError):
        _refuse(f"{directory}: the run has not begun; try again in a moment")
    workers = job.spec.workers
    ranks = workers.replicas * workers.processes_per_worker
    if job.spec.recipe is None:
        _refuse(f"{directory}: a script cannot be asked; call torch.profiler in it")
    if rank >= ranks:
        _refuse(f"--rank {rank}: the job has {ranks} ranks; write one from 0 to {ranks - 1}")
    file = directory / "directives" / f"{names.child_name(job.metadata.name, names.ROLE_WORKER, attempt, 0)}.json"
    if not file.exists():
        _refuse(f"{directory}: it does not train yet; try again in a moment")
    return file


def _tables(directory: Path, rank: int) -> dict[Path, int]:
    """The tables that there are of a rank, and when each was written; a table is written after its trace."""
    return {path: path.stat().st_mtime_ns for path in (directory / "profiles").glob(f"steps-*.rank-{rank}.txt")}


def _wait(directory: Path, rank: int, there: dict[Path, int]) -> Path | None:
    """The table that is new; None where the training ended without one."""
    while True:
        runs = is_in_use(directory)
        new = [path for path, written in _tables(directory, rank).items() if there.get(path) != written]
        if new:
            return new[0]
        if not runs:
            return None
        time.sleep(_LOOK_SECONDS)


def _refuse(line: str, exit_code: int = EXIT_BAD_INPUT) -> NoReturn:
    say_no([line], exit_code, as_json=False)
    raise typer.Exit(exit_code)
