"""receipt.html: one file without any outside resource, for light and dark, wide and narrow. Pure.

Its plots are drawn by the code of the page of dashboards, which it carries.
"""

from __future__ import annotations

from html import escape

from wattrain_api.facts import units
from wattrain_api.facts.titled_rows import Table
from wattrain_operator.dashboard.drawing_code import DrawingCode
from wattrain_operator.receipt.contents import Receipt
from wattrain_operator.receipt.curves import Curves
from wattrain_operator.receipt.plotted import Plotted, losses, power
from wattrain_operator.receipt.rows import summary, tables

_STYLE = """
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.1rem; margin: 1.75rem 0 .5rem; }
p { margin: .25rem 0; } .soft, figcaption, summary { color: var(--soft); font-size: .875rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 1rem; }
figure { margin: 1rem 0 0; min-width: 0; }
.scroll { overflow: auto; max-height: 20rem; } .rows { overflow-x: auto; }
.rows table { border-collapse: collapse; width: 100%; overflow-wrap: normal; } .many { min-width: 44rem; }
.rows th, .rows td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0;
  border-bottom: 1px solid var(--rule); } .rows th { font-weight: 500; color: var(--soft); }
@media print { body { max-width: none; } }
"""


def to_html(receipt: Receipt, curves: Curves, drawing: DrawingCode) -> str:
    """The receipt as a page, which carries `drawing` for its plots; text of the user cannot become markup."""
    name = escape(receipt.job.name)
    body = "\n".join(
        [
            f"<h1>Receipt of {name}</h1>",
            f"<p>{escape(summary(receipt))}</p>",
            _note(receipt),
            f'<div class="plots">{_loss(curves)}{_power(receipt, curves)}</div>',
            *(_table(table) for table in tables(receipt)),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{drawing.policy}">\n'
        f"<title>Receipt of {name}</title>\n<style>{drawing.styles}{_STYLE}</style>\n</head>\n<body>\n{body}\n"
        f"{drawing.tags}\n</body>\n</html>\n"
    )


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
    return _figure(plot, "Loss, logarithmic" if dict(plot.scale)["logarithmic"] else "Loss")


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
    return _figure(power(title, curves.power, bounds, modelled=kind != "measured"), caption)


def _figure(plot: Plotted, caption: str) -> str:
    without = "<noscript><p>The plot needs JavaScript.</p></noscript>"
    return f"<figure><figcaption>{escape(caption)}</figcaption>{plot.to_html()}{without}</figure>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    head = f"<thead><tr>{head}</tr></thead>" if any(table.columns) else ""
    size = ' class="many"' if len(table.columns) > 3 else ""
    rows = "\n".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in table.rows
    )
    body = f"<table{size}>{head}<tbody>\n{rows}\n</tbody></table>"
    return f'<h2>{escape(table.title)}</h2>\n<div class="rows">{body}</div>'
