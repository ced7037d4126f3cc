"""From files to TrainingJobs and PowerDomains, or to everything that is wrong with them, line by line.

Values are taken as strictly as an API server takes them ("3" is no number), so a file that loads here also applies.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import ValidationError

from wattrain_api.base import Model
from wattrain_api.document import Document, read_documents
from wattrain_api.lookalikes import lookalikes
from wattrain_api.names import API_VERSION, GROUP
from wattrain_api.override import FILE as SET
from wattrain_api.override import apply_overrides, parse_override
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.problem import InvalidInput, Path, Problem, explain, field_path
from wattrain_api.schema import structural_schema
from wattrain_api.trainingjob import TrainingJob
from wattrain_api.translation import nearest, problems_of

__all__ = ["InvalidInput", "Loaded", "Problem", "apply_overrides", "explain", "load_files"]

MAX_FILE_BYTES = 2**20
_KINDS = ("TrainingJob", "PowerDomain")
_LISTS = (("v1", "List"), *((API_VERSION, f"{kind}List") for kind in _KINDS))
_M = TypeVar("_M", bound=Model)


@dataclass(frozen=True)
class Loaded:
    """What the files say."""

    jobs: tuple[TrainingJob, ...]
    """In the order of the files; no two have the same name."""
    domains: tuple[PowerDomain, ...]
    skipped: tuple[str, ...] = ()
    """Documents of other kinds, which are for kubectl alone, such as `volume.yaml:1: PersistentVolumeClaim`."""


def load_files(
    paths: Iterable[str | FilePath], overrides: Sequence[str] = (), *, wanted: str = "TrainingJob"
) -> Loaded:
    """All TrainingJobs in `paths`, each changed by `overrides` (`workers.replicas=3`), and all PowerDomains.

    At least one must be of the kind `wanted`.

    InvalidInput carries every problem found, in the order of files and lines.
    """
    names = [str(path) for path in paths]
    texts, problems = _read_all(names)
    documents = _documents(texts, problems)
    found: dict[str, list[Document]] = {kind: [] for kind in _KINDS}
    skipped: list[str] = []
    for document in documents:
        kind = _kind_of(document, problems)
        if kind in found:
            found[kind].append(document)
        elif kind is not None:
            skipped.append(f"{document.file}:{document.line_of(())}: {kind}")
    if not found[wanted] and not problems:
        remedy = f"give a file with kind: {wanted}"
        remedy += ", such as one of examples/" if wanted == "TrainingJob" else ""
        problems.append(Problem(", ".join(names) or "(no file)", 0, "", "", f"there is no {wanted}", remedy))
    _refuse_twins(found, problems)
    jobs = [_validated(TrainingJob, document, overrides, problems) for document in found["TrainingJob"]]
    domains = [_domain(document, problems) for document in found["PowerDomain"]]
    if problems:  # an override that is wrong is so for every job: it is reported once
        found_in = {problem.file for problem in problems}
        causes = [cause for name in texts if name in found_in for cause in lookalikes(texts[name], name)]
        others = sorted(dict.fromkeys(problems), key=lambda problem: _order(problem, names))
        raise InvalidInput([*causes, *others])
    return Loaded(tuple(filter(None, jobs)), tuple(filter(None, domains)), tuple(skipped))


def _order(problem: Problem, names: list[str]) -> tuple[int, int]:
    return names.index(problem.file) if problem.file in names else len(names), problem.line


def _read_all(names: list[str]) -> tuple[dict[str, str], list[Problem]]:
    """The text of each file, by its name."""
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for name in names:
        try:
            texts[name] = _text(name)
        except InvalidInput as error:
            problems += error.problems
    return texts, problems


def _documents(texts: dict[str, str], problems: list[Problem]) -> list[Document]:
    """All documents, those in lists one by one. What is wrong is added to `problems`."""
    documents: list[Document] = []
    for name, text in texts.items():
        try:
            for document in read_documents(text, name):
                documents += _items(document, problems)
        except InvalidInput as error:
            problems += error.problems
    return documents


def _items(document: Document, problems: list[Problem]) -> list[Document]:
    """The items of a List, such as `kubectl get -o yaml` prints of several objects; of all else the document itself."""
    value = document.value if isinstance(document.value, dict) else {}
    if (value.get("apiVersion"), value.get("kind")) not in _LISTS:
        return [document]
    items = value.get("items")
    if items is not None and not isinstance(items, list):
        message, remedy = "must be a list of objects", "write each as - apiVersion: ..."
        problems.append(Problem(document.file, document.line_of(("items",)), "items", "", message, remedy))
        return []
    return [each for i in range(len(items or ())) for each in _items(document.part(("items", i)), problems)]


def _text(name: str) -> str:
    try:
        with FilePath(name).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidInput([Problem(name, 0, "", "", f"cannot be read: {reason}", "check the path")]) from None
    if len(content) > MAX_FILE_BYTES:
        raise InvalidInput([Problem(name, 0, "", "", "the file is larger than 1 MiB", "keep only the job in it")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput([Problem(name, line, "", "", "this is not UTF-8 text", "save the file as UTF-8")]) from None


def _kind_of(document: Document, problems: list[Problem]) -> str | None:
    """The kind of `document`; None, with a problem added, where it is wrong or misspelt."""

    def refuse(path: Path, value: Any, message: str, remedy: str) -> None:
        line, shown = document.line_of(path), "" if value is None else str(value)
        problems.append(Problem(document.file, line, field_path(path), shown, message, remedy))

    if not isinstance(document.value, dict):
        refuse((), None, "not a Kubernetes object", "begin with apiVersion, kind, metadata and spec")
        return None
    version, kind = (document.value.get(name) for name in ("apiVersion", "kind"))
    if kind in _KINDS and version == API_VERSION:
        return str(kind)
    ours = isinstance(version, str) and version.split("/")[0] == GROUP
    guess = nearest(str(kind), list(_KINDS)) if kind not in _KINDS else str(kind)
    if version is None:
        refuse(("apiVersion",), None, "required, but missing", f"write apiVersion: {API_VERSION}")
    elif kind in _KINDS:
        refuse(("apiVersion",), version, "not the apiVersion of this kind", f"write apiVersion: {API_VERSION}")
    elif ours or kind is None or not isinstance(kind, str):
        remedy = f"did you mean {guess}?" if guess else f"write one of {', '.join(_KINDS)}"
        refuse(("kind",), kind, "no kind of Wattrain's" if kind is not None else "required, but missing", remedy)
    elif nearest(str(version), [API_VERSION]) is not None:
        refuse(("apiVersion",), version, "not Wattrain's apiVersion", f"write apiVersion: {API_VERSION}")
    else:
        return kind
    return None


def _refuse_twins(found: dict[str, list[Document]], problems: list[Problem]) -> None:
    """No two TrainingJobs and no two PowerDomains of one name. What has no name is refused by its model."""
    first: dict[tuple[str, str], Document] = {}
    for kind, documents in found.items():
        for document in documents:
            metadata = document.value.get("metadata")
            name = metadata.get("name") if isinstance(metadata, dict) else None
            if not isinstance(name, str):
                continue
            one = first.setdefault((kind, name), document)
            if one is not document:
                message = f"a second {kind} {name}: the first is in {one.file}:{one.line_of(())}"
                remedy = "give one" if kind == "PowerDomain" else "give each a name of its own"
                problems.append(Problem(document.file, document.line_of(()), "", "", message, remedy))


def _validated(model: type[_M], document: Document, overrides: Sequence[str], problems: list[Problem]) -> _M | None:
    value = {name: child for name, child in document.value.items() if name != "status"}  # kubectl get -o yaml has one
    try:
        value = apply_overrides(value, overrides)
        document = _without(document, [parse_override(override)[0] for override in overrides])
        return model.model_validate_json(json.dumps(value), strict=True, by_alias=True, by_name=False)
    except InvalidInput as error:
        problems += error.problems
    except ValidationError as error:
        found = problems_of(error, document, structural_schema(model))
        problems += [_blamed(problem, overrides) for problem in found]
    return None


def _domain(document: Document, problems: list[Problem]) -> PowerDomain | None:
    """The power domain in `document`. A file that it names is relative to its own."""
    domain = _validated(PowerDomain, document, (), problems)
    if domain is None or domain.spec.carbon.file is None:
        return domain
    file = str(FilePath(document.file).parent / domain.spec.carbon.file)
    carbon = domain.spec.carbon.model_copy(update={"file": file})
    return domain.model_copy(update={"spec": domain.spec.model_copy(update={"carbon": carbon})})


def _without(document: Document, replaced: list[Path]) -> Document:
    """`document` without the text of what overrides replaced, so that no problem quotes what no longer counts."""
    kept = {
        path: text
        for path, text in document.written.items()
        if not any(path[: len(start)] == start for start in replaced)
    }
    return replace(document, written=kept)


def _blamed(problem: Problem, overrides: Sequence[str]) -> Problem:
    """`problem`, laid at the door of the override whose value it is about."""
    for override in overrides:
        path = field_path(parse_override(override)[0])
        if problem.field == path or problem.field.startswith((f"{path}.", f"{path}[")):
            return Problem(SET, 0, problem.field, problem.value, problem.message, problem.remedy)
    return problem
