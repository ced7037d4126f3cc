"""`wattrain receipt`: a job on a cluster as Markdown, JSON or a page."""

from __future__ import annotations

import sys
from pathlib import Path

from wattrain_operator.cli.cluster_options import ReceiptForm
from wattrain_operator.dashboard.shipped import drawing_code
from wattrain_operator.local.refused import EXIT_COMPLETE
from wattrain_operator.receipt import to_html, to_json, to_markdown
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.job_changes import get_job
from wattrain_operator.remote.job_receipt import receipt_of


async def show_receipt(
    connection: Connection, name: str, prometheus: str, records: Path | None, form: ReceiptForm
) -> int:
    """Print the receipt of the job `name`."""
    receipt, curves = await receipt_of(connection, await get_job(connection, name), prometheus, records)
    if form is ReceiptForm.JSON:
        text = to_json(receipt)
    elif form is ReceiptForm.HTML:
        text = to_html(receipt, curves, drawing_code())
    else:
        text = to_markdown(receipt)
    sys.stdout.write(text)
    sys.stdout.flush()
    return EXIT_COMPLETE
