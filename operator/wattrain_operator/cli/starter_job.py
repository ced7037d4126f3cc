"""The job that `wattrain init` writes: what was seen in the table as comments, and settings for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from wattrain_api.data import DEFAULT_MISSING_VALUES
from wattrain_api.inspected import Inspected, SeenColumn
from wattrain_api.recipe_parameters import RecipeParameters
from wattrain_operator.cli.starter_document import document, most_frequent
from wattrain_operator.cli.starter_training import RULE, StarterTraining, starter_training
from wattrain_operator.cli.yaml_text import WIDTH, comment, in_comment, in_yaml, trailing

_MOST_COLUMNS = 40
_MOST_NAMED = 12


def job_text(asked: str, recipe: str, parameters: RecipeParameters, seen: Inspected, path: str) -> str:
    """A TrainingJob for `recipe` on the table `seen`. `asked`: the file or recipe that the user named; `path`: where
    the text will be."""
    source = seen.data.source.uri or seen.data.source.builtin
    chosen = starter_training(seen)
    title = f"{source}: {seen.rows:,} rows, {len(seen.columns) + 1} columns. Written by `wattrain init`."
    return document(
        asked,
        path,
        recipe,
        title=comment(title, ""),
        about=(*_about_label(seen), *_about_columns(seen)),
        warnings=seen.warnings,
        params=_params(parameters),
        data=_data(seen),
        training=_training(seen, chosen),
    )


def _about_label(seen: Inspected) -> Iterator[str]:
    chosen = f"; {seen.label_why}: `--label COLUMN` chooses another" if seen.label_why else ""
    yield from comment(f"Label: {seen.label}{chosen}.", "")
    yield from comment(f"Task: {seen.task}, for {seen.task_why}. `data.task` may say otherwise.", "")
    if seen.classes:
        told = most_frequent(seen.classes)
        yield from comment(f"Classes: {len(seen.classes):,}, with their rows: {told}.", "")
    if seen.label_missing:
        yield from comment(f"{_rows(seen.label_missing)} have no label and are not used.", "")


def _about_columns(seen: Inspected) -> Iterator[str]:
    plain = [column.name for column in seen.columns if _is_plain(column)]
    others = [column for column in seen.columns if not _is_plain(column)]
    yield "# Columns:"
    if plain:
        more = f" and {len(plain) - _MOST_NAMED:,} more" if len(plain) > _MOST_NAMED else ""
        yield from comment(f"  {len(plain):,} of numbers, none missing: {', '.join(plain[:_MOST_NAMED])}{more}", "")
    for column in others[:_MOST_COLUMNS]:
        yield from comment(f"  {_column(column)}", "")
    if len(others) > _MOST_COLUMNS:
        yield f"#   and {len(others) - _MOST_COLUMNS:,} more"


def _is_plain(column: SeenColumn) -> bool:
    return column.kind == "number" and not column.missing and not column.left_out and column.different > 1


def _column(column: SeenColumn) -> str:
    parts: list[str] = [column.kind] if column.kind != "other" else []
    parts += [f"{column.different:,} different"] if column.kind in ("text", "other") else []
    parts += [f"{_rows(column.missing)} lack it"] if column.missing else []
    parts += ["the same value in every row"] if column.different == 1 and not column.missing else []
    parts += [f"left out of the features: {column.left_out}"] if column.left_out else []
    return f"{column.name}: {'; '.join(parts)}"


def _params(parameters: RecipeParameters) -> Iterator[str]:
    shown = parameters.to_json_object()
    yield f"    params: {in_yaml(shown)}{trailing('their defaults') if shown else ''}"


def _data(seen: Inspected) -> Iterator[str]:
    data = seen.data
    source = data.source.to_json_object()
    where = "relative paths start in the directory that you start the command in"
    yield f"    source: {in_yaml(source)}{trailing(where) if 'uri' in source else ''}"
    yield f"    label: {in_yaml(seen.label)}"
    if data.features:
        yield "    features:" + trailing("the columns to predict from; of those left out, the reason is above")
        yield from _filled([in_yaml(name) for name in data.features])
    else:
        yield "    # features: all other columns; write a list to choose some"
    if data.column_schema:
        yield "    schema:" + trailing("checked in every row; numbers may have min and max as well")
        for name, schema in data.column_schema.items():
            yield f"      {in_yaml(name)}: {in_yaml({'type': schema.type})}"
    if data.missing_values != DEFAULT_MISSING_VALUES:
        words = ", ".join(f'"{in_comment(word)}"' for word in seen.words_for_missing)
        yield from comment(f"{words}: found in columns of numbers, and taken for no value in every column", "    ")
        yield f"    missingValues: {in_yaml(list(data.missing_values))}"
    yield from _missing(seen)
    yield from _split(seen)
    beside = "zero mean and unit variance, by the training rows; or minmax, none"
    yield f"    normalize: {data.normalize}{trailing(beside)}"


def _missing(seen: Inspected) -> Iterator[str]:
    policy = seen.data.clean.missing
    beside = "no feature lacks a value; of a row that does, nothing is predicted: indicator would fill it in"
    if policy == "indicator":
        beside = "fill in the mean, and tell the model where a value was missing; or drop such rows"
    yield f"    clean: {in_yaml({'missing': policy})}{trailing(beside)}"


def _split(seen: Inspected) -> Iterator[str]:
    split = seen.data.split
    shown = {
        "method": split.method, "train": split.train, "validation": split.validation, "test": split.test,
    }  # fmt: skip
    counts = f"{seen.training_rows:,}, {seen.validation_rows:,} and {seen.test_rows:,} rows"
    why = {"stratified": "the same shares in every class", "hash": "by a hash of each row"}
    yield f"    split: {in_yaml(shown)}{trailing(f'{why[split.method]}: {counts}')}"
    dates = [column.name for column in seen.columns if column.kind == "date" and not column.left_out]
    if dates:
        other = in_yaml({"method": "time", "column": dates[0]})
        yield from comment(
            f"split: {other}   # instead, where later rows are to be predicted from earlier ones", "    "
        )


def _training(seen: Inspected, chosen: StarterTraining) -> Iterator[str]:
    yield from comment(f"For {_rows(seen.training_rows)} of training: {RULE}.", "    ")
    yield f"    epochs: {chosen.epochs}"
    yield f"    batchSize: {chosen.batch_size}"
    yield "    optimizer: {name: adamw, lr: 0.001}"
    if chosen.is_weighted:
        beside = f"of the classes, the rarest has {_rows(seen.fewest_in_training)} of training, the most frequent "
        beside += f"{seen.most_in_training:,}"
        yield f"    classWeights: balanced{trailing(beside)}"
    if chosen.patience:
        stopping = in_yaml({"metric": "loss", "patience": chosen.patience})
        yield f"    earlyStopping: {stopping}{trailing('evaluations of the validation rows without a lower loss')}"
    else:
        yield from comment(
            f"No earlyStopping: {_rows(seen.validation_rows)} of validation are too few to stop by.", "    "
        )
    yield f"    seed: 0{trailing('initial weights and the order of rows')}"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _filled(names: list[str]) -> Iterator[str]:
    """A list over as many lines as it needs; a name is never broken."""
    line = "      ["
    for number, name in enumerate(names):
        part = name + ("]" if number == len(names) - 1 else ", ")
        if len(line) + len(part) > WIDTH and line.strip() != "[":
            yield line.rstrip()
            line = "       "
        line += part
    yield line
