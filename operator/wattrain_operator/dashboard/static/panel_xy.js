// Panels of one figure against another, Grafana's XY chart: lines or points, without time.

import { fieldOf, hue } from "/static/fields.js";
import { tablesOf } from "/static/frames.js";
import { drawPlot, figuresTable } from "/static/plot.js";
import { formatted } from "/static/units.js";

export function drawXY(panel, box, results) {
  const tables = tablesOf(panel, results), wanted = panel.options?.series ?? [];
  const lines = tables.flatMap((table, index) => (panel.options?.mapping === "manual" ? wanted : wanted.slice(0, 1)).flatMap((series) => linesOf(panel, table, series, index)));
  const shown = lines.filter(({ points }) => points.size);
  if (!shown.length) throw new Error("no moment has both figures");
  const x = [...new Set(shown.flatMap(({ points }) => [...points.keys()]))].sort((a, b) => a - b);
  const { xName, xField, yField } = shown[0], defaults = panel.fieldConfig?.defaults ?? {};
  const format = (value) => formatted(value, yField), formatX = (value) => formatted(value, xField);
  const plot = {
    title: panel.title, x, xName, format, formatX, formatTick: formatX, calcs: panel.options?.legend?.calcs?.length ? panel.options.legend.calcs : ["lastNotNull", "firstNotNull"],
    scales: { y: { min: yField.min, max: yField.max, logarithmic: defaults.custom?.scaleDistribution?.type === "log", format } },
    lines: shown.map(({ name, points, yField: { custom, color } }) => ({
      name, values: x.map((at) => points.get(at) ?? null), scale: "y", width: custom.lineWidth, spanGaps: true,
      pointsOnly: (custom.show ?? "points") === "points", color: color?.mode === "fixed" ? hue(color.fixedColor) : undefined,
      dash: custom.lineStyle?.fill === "dash" ? custom.lineStyle.dash : undefined,
    })),
  };
  return { dispose: drawPlot(box, plot), figures: () => figuresTable(plot) };
}

/** The lines of one table: of where x comes again, as steps do after a restart, what was last counts. */
function linesOf(panel, { name, columns, rows, origin }, series, index) {
  const isNumber = (column) => column !== "Time" && rows.some((row) => typeof row[column] === "number");
  const at = series.frame?.matcher;
  if (at && (at.id !== "byIndex" || at.options !== index)) return [];
  const xName = named(series.x, columns.filter(isNumber)), others = columns.filter((column) => isNumber(column) && column !== xName);
  const ys = series.y?.matcher?.id === "byName" ? [series.y.matcher.options] : others;
  return ys.map((y) => ({
    name: name ? (ys.length > 1 ? `${name}, ${y}` : name) : y, xName, xField: fieldOf(panel, xName, origin[xName]), yField: fieldOf(panel, y, origin[y]),
    points: new Map(rows.filter((row) => Number.isFinite(row[xName]) && row[y] != null).map((row) => [row[xName], row[y]])),
  }));
}

function named(dimension, columns) {
  const { id, options } = dimension?.matcher ?? { id: "byType" };
  if (id === "byName") return options;
  if (id === "byType") return columns[0];
  throw new Error(`field ${id}: not known to this page`);
}
