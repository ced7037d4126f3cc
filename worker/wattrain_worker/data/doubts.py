"""What a preparation warns of: data that can be trained on, but may not be what the user means. A sentence each, with
the field to change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from wattrain_worker.data.table import listed

Vector = npt.NDArray[np.float64]
"""[rows]"""
_MANY_REPEATS: Final = 0.1
"""From this share of the rows on, repeats are warned of."""
_FEWEST_ROWS: Final = 10
"""Fewer integers may well be in order by chance."""
_MOST_NAMED: Final = 5
_NAMES_OF_IDENTIFIERS: Final = re.compile(
    r"(.*[_\-. ])?(id|ids|idx|uuid|guid)|index|level_\d+|__index_level_\d+__|row|row[_\-. ]?(num|number|no|nr|index)|"
    r"unnamed: ?\d+",
    re.IGNORECASE,
)
_CAMEL_CASE_ID: Final = re.compile(r".*[a-z](Id|ID|Uuid|UUID)")


def doubtful_columns(columns: tuple[str, ...], values: Sequence[Vector], places: str) -> Iterator[str]:
    """Features that nobody has named in the spec and that say which row it is: by their name, or by counting rows."""
    for names, why in identifying_columns(columns, values, places):
        if names:
            are, those = ("are features", "them") if len(names) > 1 else ("is a feature", "it")
            yield (
                f"{_quoted(names)} {are}, and {why}; a model learns the rows by heart with {those}: to leave {those} "
                f"out, list the others in spec.data.features{_others(columns, names)}"
            )


def identifying_columns(
    columns: tuple[str, ...], values: Sequence[Vector], places: str
) -> tuple[tuple[list[str], str], ...]:
    """Those of `columns`, whose numbers are `values`, [rows] each, that say which row it is, and why they do."""
    named = [name for name in columns if _NAMES_OF_IDENTIFIERS.fullmatch(name) or _CAMEL_CASE_ID.fullmatch(name)]
    counting = [name for name, each in zip(columns, values, strict=True) if name not in named and _are_in_order(each)]
    return (
        (named, "named like an identifier"),
        (counting, f"an integer that rises or falls from {places} to {places}, as a row number does"),
    )


def doubtful_repeats(counts: Mapping[str, int]) -> Iterator[str]:
    """Rows that repeat others: some are trained on, and some tested with. `counts` are those of prepare.json."""
    if counts["duplicates"] or counts["repeats"] <= _MANY_REPEATS * counts["read"]:
        return
    yield (
        f"{counts['repeats']:,} of {counts['read']:,} rows repeat the features and the label of an earlier one, and "
        f"{counts['testAlsoInTraining']:,} of {counts['test']:,} test rows have the features of a training row; where "
        "repeats are copies of one sample, set spec.data.clean.dropDuplicates to true"
    )


def doubtful_classes(
    label: str, written: tuple[str, ...], histogram: Mapping[str, list[int]], method: str
) -> Iterator[str]:
    """Classes that cannot be learned or told. `histogram` has the rows of each class in each split."""
    by_split = {split: np.array(rows) for split, rows in histogram.items()}
    rows = int(sum(rows.sum() for rows in by_split.values()))
    if 2 * len(written) > rows:
        yield (
            f'column "{label}" has {len(written):,} classes in {rows:,} rows, too few to learn a class from; name a '
            "column with fewer different values in spec.data.label"
        )
        return  # what else there is to say follows from it
    never = np.flatnonzero(by_split["train"] == 0).tolist()
    if never:
        remedy = "" if method == "stratified" else ", or set spec.data.split.method to stratified"
        yield (
            f'column "{label}": no training row has the class {_quoted([written[code] for code in never])}, which is '
            f"therefore never predicted; give more rows{remedy}"
        )
    for split in ("validation", "test"):
        present = np.flatnonzero(by_split[split]).tolist()
        if len(present) == 1:
            yield (
                f"all {by_split[split].sum():,} {split} rows have the class {_quoted([written[present[0]]])}, so the "
                f"accuracy there says little; give more rows, or a larger spec.data.split.{split}"
            )


def _are_in_order(values: npt.NDArray[np.float64]) -> bool:
    """Whether a column holds different integers that only rise or only fall."""
    if len(values) < _FEWEST_ROWS:
        return False
    for part in (values[:_FEWEST_ROWS], values):  # most columns show in a few rows that they are not
        earlier, later = part[:-1], part[1:]
        in_order = (later > earlier).all() or (later < earlier).all()
        if not in_order or (part != np.floor(part)).any():
            return False
    return True


def _others(columns: tuple[str, ...], without: list[str]) -> str:
    """The value to write, where it is short."""
    others = [name for name in columns if name not in without]
    return f": [{', '.join(others)}]" if 0 < len(others) <= _MOST_NAMED else ""


def _quoted(names: list[str]) -> str:
    return listed([f'"{name}"' for name in names], _MOST_NAMED)
