"""The part of a model card that tells the energy. A rank writes the card before anybody knows it; worker 0's supervisor
puts in what the workers' meters have come to, and `wattrain run` what the whole job has cost.

Standard library only, Python >= 3.9.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from wattrain_api.contract.progress import EnergyGap, PowerReading
from wattrain_api.facts import units
from wattrain_api.facts.markdown_tables import markdown_rows
from wattrain_api.facts.titled_rows import Row

FILE_CARD: Final = "README.md"
"""As Hugging Face names it."""
_BY_METERS: Final = (
    "Counted by the workers' own meters up to their end; the receipt of the job has CO2 and cost as well."
)
_BEGINS: Final = "<!-- Wattrain writes the energy below -->"
_ENDS: Final = "<!-- and above -->"
_PART: Final = re.compile(f"{re.escape(_BEGINS)}\n.*?{re.escape(_ENDS)}\n", re.DOTALL)
_EMISSIONS: Final = "co2_eq_emissions: "

NOT_TOLD_YET: Final = (
    "Not known when this file was written: the training was not over. The receipt of the job has it "
    "(`wattrain receipt NAME`, or receipt.md of the run)."
)


def energy_part(text: str) -> str:
    """The part of a card that says `text`."""
    return f"{_BEGINS}\n\n{text}\n\n{_ENDS}\n"


def with_energy(card: str, text: str, emissions: str = "") -> str:
    """`card` with `text` for its energy, and `emissions` (JSON) as `co2_eq_emissions` of its front matter. A card
    without such parts stays as it is."""
    card = _PART.sub(lambda _: energy_part(text), card, count=1)
    begins, front, rest = _front_matter(card)
    if not emissions or not begins:
        return card
    lines = [line for line in front.splitlines() if not line.startswith(_EMISSIONS)]
    return "\n".join([begins, *lines, f"{_EMISSIONS}{emissions}", rest])


def metered_energy(
    readings: Iterable[PowerReading], before: tuple[float, float, float], gaps: Iterable[EnergyGap]
) -> str:
    """What the meters of the workers have come to. `before`: joules, their lower and their upper bound, of what the job
    used before this attempt."""
    found = list(readings)
    joules, low, high = before
    joules += sum(reading.joules for reading in found)
    low += sum(reading.low_joules for reading in found)
    high += sum(reading.high_joules for reading in found)
    rows: list[Row] = [("Energy", units.joules(joules, low, high))]
    rows += [
        (reading.component, f"{_amount(reading)}, {'modelled' if reading.source == 'model' else 'measured'}")
        for reading in found
    ]
    if before[0] > 0:
        rows.append(("before the last start of the workers", units.joules(*before)))
    rows += [(gap.component, f"not counted: {gap.reason}") for gap in gaps]
    return f"{markdown_rows(('', ''), rows)}\n\n{_BY_METERS}"


def _amount(reading: PowerReading) -> str:
    return units.joules(reading.joules, reading.low_joules, reading.high_joules)


def _front_matter(card: str) -> tuple[str, str, str]:
    """The first line of YAML's, what is in it, and all from its last line on; empty where there is none."""
    begins, between, rest = card.partition("\n---\n") if card.startswith("---\n") else ("", "", "")
    return ("---", begins.removeprefix("---\n"), between.lstrip("\n") + rest) if between else ("", "", "")
