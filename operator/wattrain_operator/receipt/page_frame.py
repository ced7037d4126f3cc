"""The frame of a page with plots and tables that is one file without any outside resource, for light and dark, wide and
narrow. Pure. Its plots are drawn by the code of the page of dashboards, which it carries.
"""

from __future__ import annotations

from html import escape

from wattrain_api.facts.titled_rows import Table
from wattrain_operator.dashboard.drawing_code import DrawingCode
from wattrain_operator.receipt.plotted import Plotted

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


def whole_page(title: str, body: str, drawing: DrawingCode) -> str:
    """A page that carries `drawing`. `body` is markup: what is not trusted in it has been escaped."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{drawing.policy}">\n'
        f"<title>{escape(title)}</title>\n<style>{drawing.styles}{_STYLE}</style>\n</head>\n<body>\n{body}\n"
        f"{drawing.tags}\n</body>\n</html>\n"
    )


def figure(plot: Plotted, caption: str) -> str:
    """A plot with its caption."""
    without = "<noscript><p>The plot needs JavaScript.</p></noscript>"
    return f"<figure><figcaption>{escape(caption)}</figcaption>{plot.to_html()}{without}</figure>"


def table_markup(table: Table) -> str:
    """A table with its title."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    head = f"<thead><tr>{head}</tr></thead>" if any(table.columns) else ""
    size = ' class="many"' if len(table.columns) > 3 else ""
    rows = "\n".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in table.rows
    )
    body = f"<table{size}>{head}<tbody>\n{rows}\n</tbody></table>"
    return f'<h2>{escape(table.title)}</h2>\n<div class="rows">{body}</div>'
