// Panels of lines: figures over time.

import { fieldOf, hue } from "/static/fields.js";
import { drawPlot, figuresTable } from "/static/plot.js";
import { formatted } from "/static/units.js";

const clock = (seconds, span) => new Date(seconds * 1000).toLocaleString("en-GB", span > 86400 ? { dateStyle: "short", timeStyle: "short" } : { timeStyle: "medium" });

const tick = (span) => (seconds) => {
  const at = new Date(seconds * 1000);
  if (span > 3 * 86400) return at.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", ...(span < 900 ? { second: "2-digit" } : {}) });
};

export function drawLines(panel, box, results, { time, marks }) {
  const x = grid(time), defaults = panel.fieldConfig?.defaults ?? {};
  const entries = results.flatMap(({ target, series }) => series.map((each) => ({ ...each, field: fieldOf(panel, each.name, target.refId), values: onGrid(each.points, x) })));
  const plotted = stacked(entries.filter(({ field }) => !field.custom.hideFrom?.viz));
  const units = [...new Set(plotted.map(({ field }) => field.unit ?? "short"))];
  const names = plotted.map(({ name }) => name);
  const plot = {
    title: panel.title, x, formatX: (seconds) => clock(seconds, time.end - time.start), formatTick: tick(time.end - time.start), format: (value) => formatted(value, defaults), calcs: panel.options?.legend?.calcs,
    scales: Object.fromEntries(units.map((unit, index) => [`y${index || ""}`, scaleOf(plotted.find(({ field }) => (field.unit ?? "short") === unit).field)])),
    lines: plotted.map((entry) => lineOf(entry, units)),
    bands: plotted.flatMap(({ field, below }, index) => (below != null ? [[index, below]] : names.includes(field.custom.fillBelowTo) ? [[index, names.indexOf(field.custom.fillBelowTo)]] : [])),
    limits: limitsOf(defaults), marks,
  };
  return { dispose: drawPlot(box, plot), figures: () => figuresTable(plot) };
}

function grid({ start, end, step }) {
  return Array.from({ length: Math.round((end - start) / step) + 1 }, (_, index) => Number((start + index * step).toFixed(3)));
}

function onGrid(points, x) {
  const at = new Map(points.map(([moment, value]) => [Math.round(moment * 1000), value]));
  return x.map((moment) => at.get(Math.round(moment * 1000)) ?? null);
}

/** Lines that are to be stacked are drawn above the one before; what their legends say stays their own. */
function stacked(entries) {
  let drawn = null, below = null;
  return entries.map((entry, index) => {
    if (entry.field.custom.stacking?.mode !== "normal") return entry;
    drawn = entry.values.map((value, at) => (value ?? 0) + (drawn?.[at] ?? 0));
    const made = { ...entry, drawn, below, isFirst: below == null };
    below = index;
    return made;
  });
}

function lineOf({ name, labels, values, drawn, isFirst, field }, units) {
  const { lineStyle, lineWidth, fillOpacity, lineInterpolation, drawStyle, spanNulls, fillBelowTo } = field.custom;
  const unit = units.indexOf(field.unit ?? "short");
  return {
    name, values, drawn, modelled: /\bmodelled\b/.test(name) || labels.source === "model", scale: `y${unit || ""}`, width: lineWidth,
    dash: lineStyle?.fill === "dash" ? lineStyle.dash : lineStyle?.fill === "dot" ? [2, 4] : undefined,
    color: field.color?.mode === "fixed" ? hue(field.color.fixedColor) : undefined,
    fill: fillBelowTo || (drawn && !isFirst) ? 0 : (fillOpacity ?? 0) / 100, step: lineInterpolation === "stepAfter", pointsOnly: drawStyle === "points", spanGaps: Boolean(spanNulls),
  };
}

function scaleOf(field) {
  return { min: field.min, max: field.max, unit: field.unit, logarithmic: field.custom.scaleDistribution?.type === "log", whole: field.decimals === 0, format: (value) => formatted(value, field) };
}

function limitsOf({ thresholds, custom }) {
  if (!custom?.thresholdsStyle || custom.thresholdsStyle.mode === "off") return [];
  return (thresholds?.steps ?? []).filter((step) => step.value != null).map((step) => ({ value: step.value, color: hue(step.color) }));
}
