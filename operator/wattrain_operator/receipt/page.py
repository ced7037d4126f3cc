"""receipt.html: one file without any outside resource, for light and dark, wide and narrow. Pure."""

from __future__ import annotations

from html import escape

from wattrain_operator.receipt import units
from wattrain_operator.receipt.contents import Receipt
from wattrain_operator.receipt.curves import Curves
from wattrain_operator.receipt.plot import Band, Line, plot
from wattrain_operator.receipt.rows import Table, summary, tables

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1c2024; --soft: #60646c; --rule: #dcdfe3; --a: #0b62d6;
  --b: #b5500b; --band: #0b62d622; }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --text: #e8eaed; --soft: #a3a8b0; --rule: #343a40;
  --a: #7ab5ff; --b: #ffae70; --band: #7ab5ff2e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.1rem; margin: 1.75rem 0 .5rem; }
p { margin: .25rem 0; } .soft, figcaption { color: var(--soft); font-size: .875rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem; }
figure { margin: 1rem 0 0; } svg { width: 100%; height: auto; display: block; }
svg text { font: 13px system-ui, sans-serif; fill: var(--soft); text-anchor: middle; } svg .y { text-anchor: end; }
.grid { stroke: var(--rule); } .band { fill: var(--band); }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; } polyline.a { stroke: var(--a); }
polyline.b { stroke: var(--b); stroke-dasharray: 5 3; } circle.a { fill: var(--a); } circle.b { fill: var(--b); }
.key { display: inline-block; width: 1.25em; border-top: 2px solid var(--a); vertical-align: middle; }
.key.b { border-top: 2px dashed var(--b); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; overflow-wrap: normal; }
.many { min-width: 44rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--rule); }
th { font-weight: 500; color: var(--soft); }
@media print { body { max-width: none; } }
"""


def to_html(receipt: Receipt, curves: Curves) -> str:
    """The receipt as a page; text of the user cannot become markup."""
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
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Receipt of {name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
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
    lines = [
        line
        for line in (Line("training", [curves.loss], "a"), Line("validation", [curves.validation], "b"))
        if line.points
    ]
    if not lines:
        return ""
    keys = ", ".join(f'<span class="key {line.style}"></span> {line.name}' for line in lines)
    if all(value > 0 for line in lines for _, value in line.points):
        return _figure(plot("Loss", "step", lines, axis="logarithmic"), f"Loss, logarithmic: {keys}")
    return _figure(plot("Loss", "step", lines), f"Loss: {keys}")


def _power(receipt: Receipt, curves: Curves) -> str:
    if not curves.power:
        return ""
    energy = receipt.energy
    kind = energy.provenance
    title = f"Power{'' if curves.power_joules is None else ' while training'}, in watts, {kind}"
    caption, band = title, None
    if energy.joules > 0 and energy.low_joules < energy.high_joules:
        band = Band(energy.low_joules / energy.joules, energy.high_joules / energy.joules)
        caption += "; shaded: from low to high"
    rest = 0.0 if curves.power_joules is None else energy.joules - curves.power_joules
    if rest > 0:
        amount = units.joules(rest, *energy.bounds(rest))
        caption += f". Preparation, start-up and what else is not training are not in the chart: {amount}."
    long = curves.power[-1][-1][0] >= 300
    stretches = [[(seconds / 60 if long else seconds, watts) for seconds, watts in part] for part in curves.power]
    line = Line("power", stretches, "a")
    return _figure(plot(title, "minutes" if long else "seconds", [line], band, axis="from zero"), caption)


def _figure(drawing: str, caption: str) -> str:
    return f"<figure><figcaption>{caption}</figcaption>{drawing}</figure>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    head = f"<thead><tr>{head}</tr></thead>" if any(table.columns) else ""
    size = ' class="many"' if len(table.columns) > 3 else ""
    rows = "\n".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in table.rows
    )
    body = f"<table{size}>{head}<tbody>\n{rows}\n</tbody></table>"
    return f'<h2>{escape(table.title)}</h2>\n<div class="scroll">{body}</div>'
