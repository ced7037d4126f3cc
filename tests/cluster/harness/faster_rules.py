"""The rules that ship, with all of their times divided by one factor."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from harness.rules_world import RULES

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_RANGE = re.compile(r"\[(\d+[smh])(?::(\d+[smh]))?\]")
_OFFSET = re.compile(r"\boffset (\d+[smh])")
_LIMIT = re.compile(r"(_seconds(?:\[\w+\])?\)* *[<>] *)(\d+)")
"""What a number of seconds is compared with."""


def write_faster(folder: Path, factor: float) -> list[Path]:
    """Write the rule files to `folder`; their paths."""
    written = []
    for file in sorted(RULES.glob("*.yaml")):
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        for rule in [rule for group in document["groups"] for rule in group["rules"]]:
            rule["expr"] = faster(rule["expr"], factor)
            if "for" in rule:
                rule["for"] = _divided(rule["for"], factor)
        written.append(folder / file.name)
        written[-1].write_text(yaml.safe_dump(document, width=1000), encoding="utf-8")
    return written


def faster(expression: str, factor: float) -> str:
    """`expression` with ranges, offsets and limits in seconds divided by `factor`."""

    def ranged(match: re.Match[str]) -> str:
        parts = [_divided(part, factor) for part in match.groups() if part]
        return f"[{':'.join(parts)}]"

    expression = _RANGE.sub(ranged, expression)
    expression = _OFFSET.sub(lambda match: f"offset {_divided(match[1], factor)}", expression)
    return _LIMIT.sub(lambda match: f"{match[1]}{int(match[2]) / factor:g}", expression)


def _divided(duration: str, factor: float) -> str:
    milliseconds = round(1000 * int(duration[:-1]) * _SECONDS[duration[-1]] / factor)
    return f"{max(1, milliseconds)}ms"
