"""The model card beside an exported model: README.md with a YAML front matter, as Hugging Face reads them."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from importlib import metadata
from typing import Any, Final

from pydantic import TypeAdapter

from wattrain_api.facts.card_energy import NOT_TOLD_YET, energy_part
from wattrain_api.facts.data_tables import classes_table, data_table
from wattrain_api.facts.markdown_tables import escaped, markdown_table
from wattrain_api.facts.metric_rows import metric_rows
from wattrain_api.facts.titled_rows import Row, Table
from wattrain_api.facts.training_rows import training_rows
from wattrain_api.status import Metrics
from wattrain_worker.data.prepared_data import Prepared
from wattrain_worker.train.evaluation import Score
from wattrain_worker.train.export import Choice
from wattrain_worker.train.rank_environment import RankEnvironment

_PIPELINES: Final = {
    ("table", "classification"): "tabular-classification",
    ("table", "regression"): "tabular-regression",
    ("image", "classification"): "image-classification",
    ("text", "language-modeling"): "text-generation",
    ("text", "masked-language-modeling"): "fill-mask",
    ("text", "classification"): "text-classification",
}
"""Hugging Face's names, by samples and task; it has none for recommendations."""
_METRICS: Final = TypeAdapter(Metrics)
_DEALT: Final = ("table", "image", "text")
"""Samples that `data.split` deals."""
_VERSIONS_OF: Final = ("torch", "wattrain")
_FOR_ITS_OWNER: Final = (
    "Wattrain knows neither what the model is meant for, nor whom its data speaks of, nor its licence: whoever "
    "publishes it writes that here."
)


def model_card(
    environment: RankEnvironment, prepared: Prepared, choice: Choice, test: Score | None, device: str, tuning: str
) -> str:
    """The text of the card, whose energy nobody knows yet. `device`: what rank 0 computed on. `tuning`: what
    `training.auto` has chosen and why; empty: nothing was to be chosen."""
    name = environment.job or "model"
    trained = [
        *training_rows(environment.spec.to_json_object()),
        ("exported", f"step {choice.step:,}, {choice}"),
        *([("chosen by measuring", tuning)] if tuning else []),
        ("ranks", f"{environment.world_size:,}"),
        ("device of rank 0", device),
        ("seed", str(environment.training.seed)),
        *_versions(),
    ]
    parts = [
        _front_matter(name, environment, prepared, test),
        f"# {escaped(name)}",
        escaped(f"{_what(environment, prepared)}. Written by Wattrain."),
        "`wattrain predict DIRECTORY FILE` asks it, with the directory that holds this file.",
        markdown_table(Table("On samples that it was not trained on", ("", ""), tuple(_tested(test)))),
        markdown_table(_data(environment, prepared)),
        *(markdown_table(table) for table in [classes_table(prepared.document)] if table.rows),
        markdown_table(Table("Training", ("", ""), tuple(trained))),
        f"## Energy\n\n{energy_part(NOT_TOLD_YET)}",
        f"## Use, limits, licence\n\n{_FOR_ITS_OWNER}",
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _what(environment: RankEnvironment, prepared: Prepared) -> str:
    label = prepared.document.get("label")
    return f"Recipe {environment.recipe.name}, {prepared.task.replace('-', ' ')}" + (f" of {label}" if label else "")


def _data(environment: RankEnvironment, prepared: Prepared) -> Table:
    table, data = data_table(prepared.document), environment.spec.data
    split = data.split.to_json_object() if data else {}
    told = {
        "SHA-256": str(prepared.document.get("source", {}).get("sha256", "")),
        "Split": ", ".join(f"{name} {value}" for name, value in split.items()) if prepared.samples in _DEALT else "",
        "Missing values": str(prepared.document.get("missing", {}).get("policy", "")),
    }
    return table._replace(rows=(*table.rows, *((name, text) for name, text in told.items() if text)))


def _tested(test: Score | None) -> Iterator[Row]:
    if test is None:
        yield "Test", "there was no test split: nothing is known of it"
    else:
        yield from metric_rows("Test", _METRICS.validate_python(test.to_json_object()))


def _versions() -> Iterator[Row]:
    yield "python", platform.python_version()
    for name in _VERSIONS_OF:
        yield name, metadata.version(name)


def _front_matter(name: str, environment: RankEnvironment, prepared: Prepared, test: Score | None) -> str:
    """YAML whose values are written as JSON, which is YAML too."""
    pipeline = _PIPELINES.get((prepared.samples, prepared.task))
    fields: dict[str, Any] = {"library_name": "wattrain", "tags": ["wattrain", environment.recipe.name]}
    if pipeline is not None:
        fields["pipeline_tag"] = pipeline
    if pipeline is not None and test is not None:
        source = prepared.document.get("source", {})
        data = str(source.get("name") or source.get("uri") or source.get("path") or source.get("kind"))
        found = test.to_json_object()
        result = {
            "task": {"type": pipeline},
            "dataset": {"name": data, "type": data, "split": "test"},
            "metrics": [{"type": metric, "value": value} for metric, value in found.items() if metric != "step"],
        }
        fields["model-index"] = [{"name": name, "results": [result]}]
    lines = [f"{field}: {json.dumps(value, ensure_ascii=False)}" for field, value in fields.items()]
    return "\n".join(["---", *lines, "---"])
