"""What a receipt says of the numbers of threads that were tried for the job's objective."""

from __future__ import annotations

from wattrain_api.facts import units
from wattrain_api.facts.titled_rows import Row, Table
from wattrain_api.status import BestPointStatus, PointStatus
from wattrain_operator.receipt.contents import Receipt


def best_point_table(receipt: Receipt) -> Table:
    """What was measured with each, and what was chosen."""
    found = receipt.best_point
    rows = () if found is None else (*(_row(found, point) for point in found.points), _end(found))
    columns = ("Threads of a rank", "Energy a sample of training", "Samples a second", "Power", "")
    return Table("Threads that were tried", columns, rows)


def _row(found: BestPointStatus, point: PointStatus) -> Row:
    return (
        f"{point.threads}",
        f"{units.joules(point.joules_per_sample)}, {point.known}",
        f"{point.samples_per_second:,.4g}",
        f"{point.watts:.3g} W",
        "",
    )


def _end(found: BestPointStatus) -> Row:
    if found.chosen_threads is None:
        return "Not chosen", "", "", "", "the training ended before all were tried"
    return f"Chosen: {found.chosen_threads}", "", "", "", found.message
