"""Regular expressions that find numbers in what a script prints: `loss={number}`, or with a group of its own.

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

PLACEHOLDER: Final = "{number}"
_NUMBER: Final = r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(?i:nan|inf(?:inity)?)\b)"
"""With sign, fraction and exponent, as programs print numbers, and what they print where it is none any more."""
_WHOLE_NUMBER: Final = re.compile(_NUMBER)
_NOT_IN_A_WORD: Final = r"(?<![\w-])"
_GROUP: Final = re.compile(r"(?<!\\)\((?!\?)")
_COUNTED: Final = ("step", "totalSteps", "epoch", "epochs")
"""Metrics that are whole numbers: of an epoch 3.25 it is the 3 that counts."""


class PatternError(ValueError):
    """A pattern that cannot work; the message says why, and what to write."""


class Found(NamedTuple):
    """A number in a line."""

    value: float
    misfit: str = ""
    """Where the pattern alone gives another number, or none: what is wrong with it, and what to write instead."""
    in_word: bool = False
    """Whether it was found inside a longer name, as loss= is in val_loss=."""


@dataclass(frozen=True)
class MetricPattern:
    """A pattern of `spec.script.metricPatterns`, ready to search lines."""

    metric: str
    text: str
    expression: re.Pattern[str]
    stem: str
    """What stands before its group, where that is an expression of its own."""

    def search(self, line: str) -> Found | None:
        """The number that the pattern finds in `line`, as it is printed; None: none is there."""
        matches = list(self.expression.finditer(line))
        match = next((found for found in matches if not _begins_in_word(line, found)), None)
        if match is not None:
            found = self._of(line, match)
        else:
            found = self._of_stem(line) or (self._of_word(line, matches[0]) if matches else None)
        if found is None or self.metric not in _COUNTED or not math.isfinite(found.value):
            return found
        return found._replace(value=float(math.floor(found.value)))

    def _of(self, line: str, match: re.Match[str]) -> Found | None:
        whole = _WHOLE_NUMBER.match(line, match.start(1)) if match[1] is not None else None
        if whole is None:
            return None if _to_number(match[1]) is None else Found(float(match[1]))
        left_out = line[match.end(1) : whole.end()] or line[whole.end() : match.end(1)]
        if not re.search(r"\d", left_out) or (self.metric in _COUNTED and left_out.startswith(".")):
            return Found(float(whole[0]))
        return Found(float(whole[0]), self._misfit(f"finds {match[1]!r} where {whole[0]!r} is printed"))

    def _of_word(self, line: str, match: re.Match[str]) -> Found | None:
        found = self._of(line, match)
        if found is None:
            return None
        name = line[match.start() - len(_word_before(line, match)) : match.end()]
        return Found(found.value, found.misfit or self._misfit(f"finds a number in {name!r}"), in_word=True)

    def _of_stem(self, line: str) -> Found | None:
        """A number that stands where the pattern looks for one, and that it does not take: -0.25, nan."""
        if not self.stem or self.metric in _COUNTED:
            return None
        for match in re.finditer(f"{self.stem}(?P<number>{_NUMBER})", line):
            if not _begins_in_word(line, match):
                return Found(float(match["number"]), self._misfit(f"does not find {match['number']!r}"))
        return None

    def _misfit(self, what: str) -> str:
        better = f"{self.stem or self.metric + '='}{PLACEHOLDER}"
        return (
            f"spec.script.metricPatterns.{self.metric}, {self.text!r}, {what}; write {better!r}, which takes numbers "
            "as they are printed, and only where the name is not a part of a longer one"
        )


def compile_pattern(metric: str, text: str) -> MetricPattern:
    """The pattern for `metric` that `text` is. PatternError where it cannot work."""
    filled = text.replace(PLACEHOLDER, f"(?P<number>{_NUMBER})")
    if filled != text and re.match(r"\w", text):
        filled = _NOT_IN_A_WORD + filled
    try:
        expression = re.compile(filled)
    except re.error as error:
        raise PatternError(f"{text!r} is no regular expression ({error}); {_EXAMPLE}") from None
    except (RecursionError, OverflowError):
        raise PatternError(f"{text[:80]!r} is too long a regular expression; {_EXAMPLE}") from None
    if expression.groups < 1:
        raise PatternError(f"{text!r} does not say where the number is; {_EXAMPLE}")
    return MetricPattern(metric, text, expression, "" if filled != text else _stem(text))


_EXAMPLE: Final = f"write for instance 'loss={PLACEHOLDER}', or put the number into a group: 'loss=(.+)'"


def _stem(text: str) -> str:
    group = _GROUP.search(text)
    stem = "" if group is None else text[: group.start()]
    try:
        re.compile(stem)
    except re.error:  # half of a larger group, for instance
        return ""
    return stem


def _begins_in_word(line: str, match: re.Match[str]) -> bool:
    return bool(_word_before(line, match)) and re.match(r"\w", line[match.start() :]) is not None


def _word_before(line: str, match: re.Match[str]) -> str:
    before = re.search(r"\w*$", line[: match.start()])
    return "" if before is None else before[0]


def _to_number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
