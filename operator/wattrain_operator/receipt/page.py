"""receipt.html. Pure."""

from __future__ import annotations

from html import escape

from wattrain_api.facts import units
from wattrain_operator.dashboard.drawing_code import DrawingCode
from wattrain_operator.receipt.contents import Receipt
from wattrain_operator.receipt.curves import Curves
from wattrain_operator.receipt.page_frame import figure, table_markup, whole_page
from wattrain_operator.receipt.plotted import losses, power
from wattrain_operator.receipt.rows import summary, tables


def to_html(receipt: Receipt, curves: Curves, drawing: DrawingCode) -> str:
    """The receipt as a page, which carries `drawing` for its plots; text of the user cannot become markup."""
    name = escape(receipt.job.name)
    body = "\n".join(
        [
            f"<h1>Receipt of {name}</h1>",
            f"<p>{escape(summary(receipt))}</p>",
            _note(receipt),
            f'<div class="plots">{_loss(curves)}{_power(receipt, curves)}</div>',
            *(table_markup(table) for table in tables(receipt)),
        ]
    )
    return whole_page(f"Receipt of {receipt.job.name}", body, drawing)


def _note(receipt: Receipt) -> str:
    sentences = []
    if receipt.energy.incomplete:
        reasons = "; ".join(gap.reason for gap in receipt.energy.incomplete)
        sentences.append(f"More was used than the figures say, as not all could be counted: {reasons}.")
    if receipt.energy.provenance != "measured":
        sentences.append(
            "Modelled figures are computed from CPU time, not measured; the range says how far off they may be."
        )
    return f'<p class="soft">{escape(" ".join(sentences))}</p>' if sentences else ""


def _loss(curves: Curves) -> str:
    plot = losses(curves.loss, curves.validation)
    if plot is None:
        return ""
    return figure(plot, "Loss, logarithmic" if dict(plot.scale)["logarithmic"] else "Loss")


def _power(receipt: Receipt, curves: Curves) -> str:
    if not curves.power:
        return ""
    energy = receipt.energy
    kind = energy.provenance
    title = f"Power{'' if curves.power_joules is None else ' while training'}, in watts, {kind}"
    caption, bounds = title, None
    if energy.joules > 0 and energy.low_joules < energy.high_joules:
        bounds = (energy.low_joules / energy.joules, energy.high_joules / energy.joules)
        caption += "; shaded: from low to high"
    rest = 0.0 if curves.power_joules is None else energy.joules - curves.power_joules
    if rest > 0:
        amount = units.joules(rest, *energy.bounds(rest))
        caption += f". Preparation, start-up and what else is not training are not in the chart: {amount}."
    return figure(power(title, curves.power, bounds, modelled=kind != "measured"), caption)
