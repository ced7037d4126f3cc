"""The receipt of a run, from its directory into its directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wattrain_api import names
from wattrain_api.atomic_file import write_atomically
from wattrain_api.facts.card_energy import FILE_CARD, with_energy
from wattrain_api.facts.prepared import PreparedData, to_prepared
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.recorded_steps import RecordedSteps
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.dashboard.shipped import drawing_code
from wattrain_operator.local.machine import cpu_model, versions
from wattrain_operator.receipt import Circumstances, Receipt, build, curves, to_html, to_json, to_markdown
from wattrain_operator.receipt.card_cost import card_cost


def write_receipt(run_dir: Path, job: TrainingJob, domain: PowerDomain) -> Receipt:
    """Write receipt.json, receipt.md and receipt.html into `run_dir`, each replaced whole, tell the model card what the
    job has cost, and return the receipt.

    Reads status.json (else takes the status of `job`), prepare.json and metrics.jsonl from `run_dir`; what is missing
    or not readable is left out of the receipt. OSError where `run_dir` cannot be written.
    """
    found = _read_object(run_dir / "status.json")
    status = job.status if found is None else TrainingJobStatus.from_json_object(found)
    plotted = curves(RecordedSteps(run_dir / "metrics.jsonl").read_on())
    prepared = _read_object(run_dir / names.FILE_PREPARE)
    beside = Circumstances(prepared, versions(), cpu_model(), plotted.samples_per_second)
    receipt = build(job, status, domain.spec, beside)
    texts = {
        "receipt.json": to_json(receipt),
        "receipt.md": to_markdown(receipt),
        "receipt.html": to_html(receipt, plotted, drawing_code()),
    }
    for name, text in texts.items():
        write_atomically(run_dir / name, text.encode())
    _complete_card(run_dir / "model" / FILE_CARD, receipt)
    return receipt


def _complete_card(card: Path, receipt: Receipt) -> None:
    """What the job has cost, into the model card, if its model has one: its workers knew their own meters alone."""
    if receipt.job.state != "Complete" or "recipe" not in receipt.spec:
        return
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    write_atomically(card, with_energy(text, *card_cost(receipt)).encode())


def read_prepared(run_dir: Path) -> PreparedData:
    """What the preparation came to; nothing where prepare.json is missing or not readable."""
    return to_prepared(_read_object(run_dir / names.FILE_PREPARE) or {})


def _read_object(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
