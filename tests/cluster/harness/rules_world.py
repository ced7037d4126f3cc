"""A world of figures, minute by minute, in which promtool evaluates the rules that ship."""

import json
import math
from pathlib import Path
from typing import get_args

from harness.prometheus import promtool

from wattrain_api.status import State

RULES = Path(__file__).parents[3] / "charts" / "wattrain" / "rules"
LONGEST_MINUTES = 180
OPERATOR = 'namespace="wattrain-system",pod="wattrain-operator-1"'


def job_figures(name, state, changes):
    """Series of a job that trains well, in a power domain of its own: functions of the minute.

    `state`: that of the job in each minute. `changes`: other functions by metric, None takes one away, and
    `metric{labels}` adds a series with labels besides those of the job.
    """
    trained = [0]  # minutes until then in which it was Running
    saved = [None]  # Unix time of the newest checkpoint
    for m in range(LONGEST_MINUTES):
        trained.append(trained[m] + (state(m) == "Running"))
        saved.append(60 * (m + 1) if trained[m + 1] > trained[m] and trained[m + 1] % 10 == 0 else saved[m])
    figures = {
        "loss": lambda m: 0.1 + 2.2 * math.exp(-trained[m] / 60),
        "steps_total": lambda m: 100 * trained[m],
        "steps_paused": lambda m: 0,
        "power_watts": lambda m: 100 if state(m) == "Running" else 0,
        "wasted_energy_joules": lambda m: 0,
        'energy_joules_total{component="cpu",source="model"}': lambda m: 6000 * trained[m],
        "energy_incomplete": lambda m: 0,
        "restarts_total": lambda m: 0,
        "workers_desired": lambda m: 2,
        "workers_ready": lambda m: 2 if state(m) == "Running" else 0,
        "start_timestamp_seconds": lambda m: 0,
        "checkpoint_timestamp_seconds": saved.__getitem__,
        f'info{{recipe="mlp",powerdomain="{name}"}}': lambda m: 1,
    }
    for word in get_args(State):
        figures[f'state{{state="{word}"}}'] = lambda m, word=word: int(state(m) == word)
    series = {series_of_job(name, f"wattrain_trainingjob_{key}"): figure for key, figure in figures.items()} | {
        f'wattrain_powerdomain_{key}{{powerdomain="{name}"}}': lambda m: 1
        for key in ("accepted", "max_running_jobs", "granted_jobs")
    }
    for key, figure in changes.items():
        known = [one for one in series if one.split("{")[0] == key]
        for one in known:
            del series[one]
        if figure is not None:
            series[known[0] if known else series_of_job(name, key)] = figure
    return series


def operator_figures(**changes):
    """Series of an operator that leads and is well, or with other functions by metric."""
    figures = {
        "leader": lambda m: 1,
        'list_age_seconds{kind="pods"}': lambda m: 45,
        'watch_missed_changes{kind="pods"}': lambda m: 0,
        "failing_jobs": lambda m: 0,
    }
    return {
        with_labels(f"wattrain_operator_{key}", OPERATOR): changes.get(key.split("{")[0], figure)
        for key, figure in figures.items()
    }


def series_of_job(name, key):
    """`metric` or `metric{labels}` with the labels of the job `name`."""
    return with_labels(key, f'namespace="team-a",trainingjob="{name}"')


def with_labels(key, labels):
    """`metric` or `metric{labels}` with more labels."""
    metric, _, own = key.partition("{")
    return f"{metric}{{{labels},{own}" if own else f"{metric}{{{labels}}}"


class World:
    """What promtool says of the rules in a world of figures."""

    def __init__(self, folder, rules=RULES):
        self._folder, self.rules = folder, rules

    def check(self, series, expected, *, minutes=LONGEST_MINUTES):
        """promtool's objections to `expected`, tuples of minute, expression and samples (value by labels); or nothing.

        `series` are functions of the minute, from 0 to `minutes`; None: no sample.
        """
        tests = [
            {
                "expr": expression,
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()],
            }
            for minute, expression, samples in expected
        ]
        inputs = [
            {"series": key, "values": " ".join(_text(figure(minute)) for minute in range(minutes + 1))}
            for key, figure in series.items()
        ]
        rules = [str(path) for path in sorted(self.rules.glob("*.yaml"))]
        group = {"interval": "1m", "input_series": inputs, "promql_expr_test": tests}
        file = self._folder / "test.yaml"
        whole = {"rule_files": rules, "evaluation_interval": "1m", "tests": [group]}
        file.write_text(json.dumps(whole), encoding="utf-8")  # JSON is YAML
        done = promtool("test", "rules", file)
        return "" if done.returncode == 0 else done.stdout + done.stderr


def _text(value):
    if value is None:
        return "_"
    return {"nan": "NaN", "inf": "Inf"}.get(str(float(value)), repr(value))
