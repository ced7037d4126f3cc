"""The receipt of a run: what it did, what it cost and what is needed to repeat it, for programs and for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wattrain_api import names
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.local.receipt.build import build, duration
from wattrain_operator.local.receipt.contents import Receipt
from wattrain_operator.local.receipt.curves import read_curves
from wattrain_operator.local.receipt.machine import cpu_model, versions
from wattrain_operator.local.receipt.markdown import to_markdown
from wattrain_operator.local.receipt.page import to_html

__all__ = ["Receipt", "duration", "write_receipt"]


def write_receipt(run_dir: Path, job: TrainingJob, domain: PowerDomain) -> Receipt:
    """Write receipt.json, receipt.md and receipt.html into `run_dir`, each replaced whole, and return the receipt.

    Reads status.json (else takes the status of `job`), prepare.json and metrics.jsonl from `run_dir`; what is missing
    or not readable is left out of the receipt. OSError where `run_dir` cannot be written.
    """
    found = _read_object(run_dir / "status.json")
    status = job.status if found is None else TrainingJobStatus.model_validate(found, extra="ignore")
    curves = read_curves(run_dir / "metrics.jsonl")
    prepared = _read_object(run_dir / names.FILE_PREPARE)
    receipt = build(job, status, domain.spec, prepared, versions(), cpu_model(), curves.samples_per_second)
    _replace(run_dir / "receipt.json", json.dumps(receipt.to_json_object(), indent=1) + "\n")
    _replace(run_dir / "receipt.md", to_markdown(receipt))
    _replace(run_dir / "receipt.html", to_html(receipt, curves))
    return receipt


def _read_object(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _replace(file: Path, text: str) -> None:
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
