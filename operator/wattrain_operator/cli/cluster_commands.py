"""The commands for jobs on a cluster, as a user calls them. What they do is imported only when one is called: the
libraries take longer to load than `wattrain run` takes to start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from wattrain_operator.cli.cluster_options import (
    Context,
    Files,
    JobName,
    JobNames,
    Kubeconfig,
    Namespace,
    ReceiptForm,
    Timeout,
    Told,
    ToldAs,
    in_cluster,
    or_refused,
    place_of,
)
from wattrain_operator.cli.completion import complete_job
from wattrain_operator.cli.outputs import Output
from wattrain_operator.remote.goal import Goal

if TYPE_CHECKING:
    from wattrain_operator.remote.connection import Connection

_NOTHING = "interrupted; the jobs go on as they are"


def submit(
    files: Files,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Another value for a field of spec, in every TrainingJob."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show the jobs until they are over.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the jobs are over.")] = False,
    timeout: Timeout = None,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: ToldAs = Told.PLAIN,
) -> None:
    """Create TrainingJobs on a cluster, after the checks of `wattrain validate`.

    Ctrl-C while it follows or waits: the command ends, the jobs go on.
    Exit code: 0 submitted (or, where it follows or waits, complete), 1 failed or timed out, 2 bad input, 130
    interrupted.
    """
    from wattrain_operator.cli.submitting import Submission, read_jobs
    from wattrain_operator.cli.submitting import submit as act

    async def check_and_submit(connection: Connection) -> int:
        return await act(connection, jobs, submission)

    submission = Submission(files, overrides or [], namespace, follow, wait, timeout, output)
    jobs = or_refused(lambda: read_jobs(submission), as_json=output is Told.JSON)
    in_cluster(
        place_of(namespace, context, kubeconfig), check_and_submit,
        as_json=output is Told.JSON,
        interrupted="interrupted; what was submitted goes on: wattrain top shows it, wattrain suspend stops it",
    )  # fmt: skip


def top(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME...]", help="Jobs to show. Default: all.", show_default=False, autocompletion=complete_job
        ),
    ] = None,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Those of all namespaces.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Print them once, and end.")] = False,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: Annotated[
        Output,
        typer.Option("--output", "-o", help="auto: live in a terminal, else a line a change. json: one object a line."),
    ] = Output.AUTO,
) -> None:
    """Show jobs as they change: state, progress, loss, watts, joules, place in the queue, power domain.

    Figures are those of the jobs' status; no other server is needed. Ctrl-C ends the view, the jobs go on.
    """
    from wattrain_operator.cli.top_view import top as act

    async def show(connection: Connection) -> int:
        return await act(connection, names or [], all_namespaces=all_namespaces, once=once, output=output)

    place = place_of(namespace, context, kubeconfig)
    in_cluster(place, show, as_json=output is Output.JSON, interrupted="")


def logs(
    name: JobName,
    worker: Annotated[
        int | None,
        typer.Option(min=0, help="Index of the worker whose log is wanted. Default: all.", show_default=False),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job is over, over restarts of its workers.")
    ] = False,
    tail: Annotated[
        int | None,
        typer.Option(min=0, help="Of each log, so many of the last lines. Default: all.", show_default=False),
    ] = None,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: ToldAs = Told.PLAIN,
) -> None:
    """Print what the workers of a job print, each line with its worker before it.

    Of a job whose pods are gone it prints the last lines that its status has kept, and says where the rest is.
    Exit code: 0, 1 where there is nothing to read, 2 bad input.
    """
    from wattrain_operator.cli.logs_output import show_logs

    async def show(connection: Connection) -> int:
        return await show_logs(connection, name, worker, follow, tail, output is Told.JSON)

    in_cluster(
        place_of(namespace, context, kubeconfig), show, as_json=output is Told.JSON,
        interrupted=f"interrupted; {name} goes on" if follow else "interrupted",
    )  # fmt: skip


def suspend(
    names: JobNames,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: ToldAs = Told.PLAIN,
) -> None:
    """Have jobs save a checkpoint and give up their workers, until `wattrain resume`."""
    _suspend(names, True, namespace, context, kubeconfig, output)


def resume(
    names: JobNames,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: ToldAs = Told.PLAIN,
) -> None:
    """Have suspended jobs go on from their checkpoints."""
    _suspend(names, False, namespace, context, kubeconfig, output)


def delete(
    names: JobNames,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until they are gone.")] = False,
    timeout: Timeout = None,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: ToldAs = Told.PLAIN,
) -> None:
    """Delete jobs and all that belongs to them but files on a claim, without asking."""
    from wattrain_operator.cli.job_actions import delete_jobs

    in_cluster(
        place_of(namespace, context, kubeconfig),
        lambda connection: delete_jobs(connection, names, wait, timeout, output),
        as_json=output is Told.JSON, interrupted="interrupted; those that are named above are being deleted",
    )  # fmt: skip


def wait_for(
    names: JobNames,
    goal: Annotated[Goal, typer.Option("--for", help="What the jobs are to be.", case_sensitive=False)] = (
        Goal.COMPLETE
    ),
    timeout: Timeout = None,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: ToldAs = Told.PLAIN,
) -> None:
    """Wait until jobs are complete, failed, running or suspended; states on the way go to standard error.

    Exit code: 0 they are, 1 one of them can never be, or it took too long, 2 bad input, 130 interrupted.
    """
    from wattrain_operator.cli.job_actions import wait_for_jobs

    in_cluster(
        place_of(namespace, context, kubeconfig),
        lambda connection: wait_for_jobs(connection, names, goal, timeout, output),
        as_json=output is Told.JSON, interrupted=_NOTHING,
    )  # fmt: skip


def receipt(
    name: JobName,
    prometheus: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Address of a Prometheus that scrapes the operator, for curves of loss and power.",
            show_default=False,
        ),
    ] = "",
    records: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The job's records, from its claim, mounted or copied: for its curves without a Prometheus.",
            show_default=False,
        ),
    ] = None,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: Annotated[ReceiptForm, typer.Option("--output", "-o", help="html: a page, with plots.")] = ReceiptForm.MD,
) -> None:
    """Print the receipt of a job: what it did, what it cost, and what of that is not known.

    It needs the job alone, not its pods: wattrain receipt NAME -o html > receipt.html
    """  # fmt: skip
    from wattrain_operator.cli.receipt_output import show_receipt

    in_cluster(
        place_of(namespace, context, kubeconfig),
        lambda connection: show_receipt(connection, name, prometheus, records, output),
        as_json=output is ReceiptForm.JSON, interrupted="interrupted",
    )  # fmt: skip


def _suspend(names: list[str], suspend: bool, namespace: str, context: str, kubeconfig: str, told: Told) -> NoReturn:
    from wattrain_operator.cli.job_actions import suspend_jobs

    in_cluster(
        place_of(namespace, context, kubeconfig), lambda connection: suspend_jobs(connection, names, suspend, told),
        as_json=told is Told.JSON, interrupted=_NOTHING,
    )  # fmt: skip


def add_commands(app: typer.Typer) -> None:
    """Add them all to `app`."""
    for name, command in (("submit", submit), ("top", top), ("logs", logs), ("suspend", suspend), ("resume", resume),
                          ("delete", delete), ("wait", wait_for), ("receipt", receipt)):  # fmt: skip
        app.command(name)(command)
