"""The job that `wattrain init` writes for pictures and for texts. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from wattrain_api.inspected import InspectedFolder
from wattrain_operator.cli.starter_document import document, most_frequent
from wattrain_operator.cli.starter_training import folder_training
from wattrain_operator.cli.yaml_text import comment, in_yaml, trailing

_FEWEST_TO_STOP_BY = 20
_PATIENCE = 5


def folder_job_text(asked: str, seen: InspectedFolder, path: str) -> str:
    """A TrainingJob on the pictures or texts `seen`. `asked`: what the user named; `path`: where the text will be."""
    has_pictures = seen.recipe.name == "resnet"
    return document(
        asked,
        path,
        seen.recipe.name,
        title=_about_pictures(asked, seen) if has_pictures else _about_texts(asked, seen),
        about=(),
        warnings=seen.warnings,
        params=_params(seen),
        data=_data(seen),
        training=_training(seen),
    )


def _about_pictures(asked: str, seen: InspectedFolder) -> Iterator[str]:
    count = len(seen.classes)
    yield from comment(f"{asked}: {seen.found:,} pictures of {count:,} classes. Written by `wattrain init`.", "")
    yield from comment(f"Classes, with their pictures: {most_frequent(seen.classes)}.", "")
    least, median, largest = seen.shorter_sides
    yield from comment(f"Shorter side in pixels: {least:,} to {largest:,}, median {median:,}.", "")
    yield from comment(f"Decoded: {seen.looked_at:,} pictures, of which {seen.unreadable:,} were unreadable.", "")


def _about_texts(asked: str, seen: InspectedFolder) -> Iterator[str]:
    documents = f"{seen.found:,} document{'' if seen.found == 1 else 's'}"
    yield from comment(f"{asked}: {documents} of {seen.text_bytes:,} bytes. Written by `wattrain init`.", "")
    yield from comment(
        "Task: predict the next token of a text. The recipe bert finds hidden words instead, and bert-classifier "
        "chooses a class of each document; docs/texts.md says what they need.", ""
    )  # fmt: skip


def _params(seen: InspectedFolder) -> Iterator[str]:
    params = seen.recipe.params.to_json_object()
    if seen.recipe.name == "resnet":
        beside = "augment: flip-crop also mirrors, for what means the same when mirrored; stem: small sees finer detail"
        yield f"    params: {in_yaml(params)}"
        yield from comment(beside, "    ")
        if params["norm"] == "group":
            yield from comment("norm: group, for there are few pictures to take means over", "    ")
    else:
        yield f"    params: {in_yaml(params)}{trailing('a small model; more layers and width for more text')}"


def _data(seen: InspectedFolder) -> Iterator[str]:
    where = "relative paths start in the directory that you start the command in"
    yield f"    source: {in_yaml(seen.data.source.to_json_object())}{trailing(where)}"
    yield from _image(seen) if seen.recipe.name == "resnet" else _text(seen)
    yield from _split(seen)


def _image(seen: InspectedFolder) -> Iterator[str]:
    image = seen.data.image
    shown: dict[str, object] = {"size": image.size}
    if image.max_corrupt:
        shown["maxCorrupt"] = image.max_corrupt
    beside = "pixels that the model sees, up to 1024; the time of a step grows with the square"
    yield f"    image: {in_yaml(shown)}{trailing(beside)}"
    if image.max_corrupt:
        yield from comment("maxCorrupt: the share of unreadable pictures that is left out; twice what was seen", "    ")


def _text(seen: InspectedFolder) -> Iterator[str]:
    text = seen.data.text
    yield "    text:"
    beside = "tokens at most, fitted to the training split"
    yield f"      vocabularySize: {text.vocabulary_size}{trailing(beside)}"
    yield f"      sequenceLength: {text.sequence_length}{trailing('tokens that the model sees at once')}"


def _split(seen: InspectedFolder) -> Iterator[str]:
    split = seen.data.split
    shown: dict[str, object] = {
        "method": split.method, "train": split.train, "validation": split.validation, "test": split.test,
    }  # fmt: skip
    if split.seed:
        shown["seed"] = split.seed
    samples = _samples(seen)
    about = "" if split.method == "hash" else "the same shares in every class: "
    beside = f"{about}{seen.training:,}, {seen.validation:,} and {seen.test:,} {samples}"
    yield f"    split: {in_yaml(shown)}{trailing(beside)}"


def _training(seen: InspectedFolder) -> Iterator[str]:
    chosen = folder_training(seen)
    yield from comment(f"For {seen.training:,} {_samples(seen)} of training: {chosen.rule}.", "    ")
    yield f"    epochs: {chosen.epochs}"
    yield f"    batchSize: {chosen.batch_size}"
    if seen.recipe.name == "resnet":
        yield "    optimizer: {name: adamw, lr: 0.001}"
    else:
        yield "    optimizer: {name: adamw, lr: 0.001, weightDecay: 0.1, clipGradientNorm: 1}"
    if seen.validation >= _FEWEST_TO_STOP_BY:
        stopping = in_yaml({"metric": "loss", "patience": _PATIENCE})
        beside = f"evaluations of the validation {_samples(seen)} without a lower loss"
        yield f"    earlyStopping: {stopping}{trailing(beside)}"
    else:
        yield from comment(
            f"No earlyStopping: {seen.validation:,} {_samples(seen)} of validation are too few to stop by.", "    "
        )
    yield f"    seed: 0{trailing('initial weights and the order of samples')}"


def _samples(seen: InspectedFolder) -> str:
    return "pictures" if seen.recipe.name == "resnet" else "windows"
