"""The commands. Those that run jobs here hand over to the local backend; those for a cluster are in a module of their
own."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from wattrain_api.load import InvalidInput, load_files
from wattrain_api.support import unpriced, unsupported, unsupported_domain
from wattrain_operator.cli.agent_command import run_agent
from wattrain_operator.cli.carbon_command import carbon
from wattrain_operator.cli.cluster_commands import add_commands
from wattrain_operator.cli.dashboard_command import show_dashboard
from wattrain_operator.cli.init_command import init
from wattrain_operator.cli.operator_command import operate
from wattrain_operator.cli.outputs import Output, make_view
from wattrain_operator.cli.predict_command import predict
from wattrain_operator.cli.profile_command import profile
from wattrain_operator.cli.recipes_command import recipes
from wattrain_operator.cli.refusal import crash, say_no
from wattrain_operator.cli.simulate_command import simulate_policies
from wattrain_operator.cli.trace_command import trace
from wattrain_operator.local.refused import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, Refused
from wattrain_operator.local.run_notifier import SECRET_VARIABLE, webhook_of
from wattrain_operator.local.session import run_files

app = typer.Typer(
    name="wattrain",
    help="Trains models, and tells what the training costs in energy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Answer(StrEnum):
    """How `validate` answers."""

    TEXT = "text"
    JSON = "json"


Files = Annotated[list[Path], typer.Argument(help="YAML files with TrainingJobs and PowerDomains.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Another value for a field of spec, in every TrainingJob: --set workers.replicas=3.",
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"wattrain {version('wattrain')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    files: Files,
    overrides: Overrides = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            help="Directory of the run; several jobs have one each below it. Default: runs/<name of the job>.",
        ),
    ] = None,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /metrics, of all jobs, on 127.0.0.1; 0: a free one.")
    ] = 0,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Serve a page that draws the run, on 127.0.0.1, until it ends.")
    ] = False,
    notify: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="POST a notification there when a job has ended; signed, if WATTRAIN_SECRET_VARIABLE is set.",
            show_default=False,
        ),
    ] = "",
    output: Annotated[
        Output, typer.Option(help="auto: live in a terminal, else plain. json: one JSON object a line.")
    ] = Output.AUTO,
) -> None:
    """Run TrainingJobs on this machine.

    Several run at the same time, or, where their PowerDomain has maxRunningJobs, in the order of spec.queue.priority.
    Ctrl-C once: save checkpoints and stop; twice: stop now. The same command again goes on from the checkpoints.
    Exit code: 0 complete, 1 failed, 2 bad input, 3 ended or suspended by its budget, 130 interrupted. Of several jobs:
    0 if all are complete; else 130 if one was interrupted; else 1 if one failed; else 2; else 3.
    """
    view = make_view(output)
    try:
        webhook = webhook_of(notify, os.environ.get(SECRET_VARIABLE, "")) if notify else None
        code = run_files(files, overrides or [], directory, metrics_port, view, with_page=dashboard, webhook=webhook)
    except InvalidInput as error:
        _refuse([str(problem) for problem in error.problems], EXIT_BAD_INPUT, output)
    except Refused as error:
        _refuse(list(error.lines), error.exit_code, output)
    except KeyboardInterrupt:
        _refuse(["interrupted before anything was started"], EXIT_INTERRUPTED, output)
    except Exception as error:
        _refuse([crash(error)], EXIT_FAILED, output)
    raise typer.Exit(code)


@app.command()
def validate(
    files: Files,
    overrides: Overrides = None,
    output: Annotated[Answer, typer.Option(help="json: one JSON object with all problems.")] = Answer.TEXT,
) -> None:
    """Say what is wrong with TrainingJobs: file and line, field, value and remedy. Nothing is started."""
    problems: list[dict[str, object]]
    try:
        loaded = load_files(files, overrides or ())
    except InvalidInput as error:
        lines = [str(p) for p in error.problems]
        problems = [
            {"file": p.file, "line": p.line, "field": p.field, "value": p.value, "message": p.message,
             "remedy": p.remedy}
            for p in error.problems
        ]  # fmt: skip
    else:
        found = [("TrainingJob", j.metadata.name, *p) for j in loaded.jobs for p in unsupported(j.spec)]
        domains = {d.metadata.name: d.spec for d in loaded.domains}
        named = [(j, domains[j.spec.energy.power_domain]) for j in loaded.jobs if j.spec.energy.power_domain in domains]
        found += [("TrainingJob", j.metadata.name, *p) for j, domain in named for p in unpriced(j.spec, domain)]
        found += [("PowerDomain", d.metadata.name, *p) for d in loaded.domains for p in unsupported_domain(d.spec)]
        lines = [f"{kind} {name}: {field}: {sentence}" for kind, name, field, sentence in found]
        problems = [{"kind": kind, "name": name, "field": field, "message": text} for kind, name, field, text in found]
    if output is Answer.JSON:
        typer.echo(json.dumps({"valid": not problems, "problems": problems}))
    elif problems:
        for line in lines:
            typer.echo(f"error: {line}", err=True)
    else:
        for job in loaded.jobs:
            typer.echo(f"TrainingJob {job.metadata.name}: valid")
    raise typer.Exit(EXIT_BAD_INPUT if problems else 0)


app.command("init")(init)
app.command("recipes")(recipes)
app.command("predict")(predict)
app.command("profile")(profile)
app.add_typer(carbon)
app.add_typer(trace)
app.command("simulate")(simulate_policies)
app.command("operator")(operate)
app.command("agent", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run_agent)
app.command("dashboard")(show_dashboard)
add_commands(app)


def _refuse(lines: list[str], exit_code: int, output: Output) -> NoReturn:
    say_no(lines, exit_code, as_json=output is Output.JSON)
    raise typer.Exit(exit_code)
