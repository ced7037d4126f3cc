// Draws lines over time or steps, with their legend, and the same figures as a table. Used by the page and by receipts,
// which carry this text: it imports nothing, and needs uPlot as a global.

const DASHES = [[], [9, 4], [2, 4], [12, 4, 2, 4]];
const COLOURS = 6;
const MODELLED_DASH = [5, 5];
const MOST_ROWS = 40;
const MODELLED = /\bmodelled\b/;

/** A new element with attributes, `text`, and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (value != null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** The value of a custom property of the style sheet, which has one for light and one for dark. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || name;
}

/** Colour and dashes of the n-th line: both tell it from the others, since not everybody sees colours. */
export function strokeOf(index, line) {
  const modelled = line.modelled ?? MODELLED.test(line.name);
  const dash = line.dash ?? (modelled ? MODELLED_DASH : DASHES[Math.floor(index / COLOURS) % DASHES.length]);
  return { stroke: colour(line.color ?? `line-${(index % COLOURS) + 1}`), dash, width: line.width ?? 2, modelled };
}

/** A figure that is also there for programs, unrounded. */
export function figure(value, text) {
  return element("data", { value: value == null ? "" : String(value), text });
}

const CALCULATIONS = {
  lastNotNull: ["last", (a) => a.at(-1)], last: ["last", (a) => a.at(-1)], firstNotNull: ["first", (a) => a[0]], first: ["first", (a) => a[0]],
  max: ["most", (a) => a.reduce((x, y) => Math.max(x, y), -Infinity)], min: ["least", (a) => a.reduce((x, y) => Math.min(x, y), Infinity)],
  mean: ["mean", (a) => a.reduce((x, y) => x + y, 0) / a.length], sum: ["sum", (a) => a.reduce((x, y) => x + y, 0)], count: ["count", (a) => a.length],
};

/** [name, value] of a calculation over the values that are there; the value is null where none is. */
export function calculated(name, values) {
  const found = CALCULATIONS[name];
  if (!found) throw new Error(`calculation ${name}: not known to this page`);
  const isOfOne = /^(last|first)/.test(name);  // a loss that is no number any more is not what it was before
  const present = values.filter((value) => value != null && (isOfOne || !Number.isNaN(value)));
  return [found[0], present.length ? found[1](present) : null];
}

/**
 * Draws into `box` and returns a function that takes the drawing away.
 *
 * plot: { title, x: [numbers], xName: "time" or another name, lines: [{ name, values, drawn (elsewhere), dash, width, color, fill, step,
 * scale }], bands: [[upper, lower]] by index, format, formatX, formatTick, scales: { y: { min, max, logarithmic, whole,
 * format } }, limits: [{ value, color }], marks: [{ x, color }], calcs: [names], height }
 */
export function drawPlot(box, plot) {
  const strokes = plot.lines.map((line, index) => strokeOf(index, line));
  const surface = element("div", { class: "surface", role: "img", tabindex: "0", "aria-label": inWords(plot) });
  box.replaceChildren(surface);
  const legend = legendOf(plot, strokes);
  box.append(legend.table);
  const made = new uPlot(options(plot, strokes, surface, legend), [plot.x, ...plot.lines.map((line) => (line.drawn ?? line.values).map(drawable))], surface);
  surface.addEventListener("keydown", (event) => moveCursor(event, made));
  surface.addEventListener("blur", () => made.setCursor({ left: -10, top: -10 }));
  const observer = new ResizeObserver(() => { if (surface.clientWidth && surface.clientWidth !== made.width) made.setSize({ width: surface.clientWidth, height: made.height }); });
  observer.observe(surface);
  return () => { observer.disconnect(); made.destroy(); };
}

const drawable = (value) => (value == null || !Number.isFinite(value) ? null : value);

function options(plot, strokes, surface, legend) {
  const axis = { stroke: colour("soft"), grid: { stroke: colour("rule"), width: 1 }, ticks: { stroke: colour("rule"), width: 1 }, font: "12px system-ui, sans-serif" };
  const scales = plot.scales ?? { y: {} }, names = Object.keys(scales);
  return {
    width: surface.clientWidth || 300, height: plot.height ?? 220, legend: { show: false }, padding: [8, 30, 0, 0],
    cursor: { sync: { key: plot.xName ?? "time" }, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: (plot.xName ?? "time") === "time" }, ...Object.fromEntries(names.map((name) => [name, scaleOf(scales[name], plot)])) },
    axes: [
      { ...axis, space: 70, incrs: (plot.xName ?? "time") === "time" ? TIME_STEPS : undefined, values: (_, splits) => splits.map((at) => (at == null ? "" : plot.formatTick(at))), ...(plot.xName && plot.xName !== "time" ? { label: plot.xName, labelSize: 18, labelFont: axis.font } : {}), size: 30 },
      ...names.map((name, index) => ({ ...axis, scale: name, side: index ? 1 : 3, size: widthOfLabels, incrs: scales[name].whole ? WHOLE_STEPS : STEPS_OF[scales[name].unit], ...(scales[name].logarithmic ? { splits: decades } : {}), grid: { ...axis.grid, show: index === 0 }, values: (_, values) => values.map((v) => (v == null ? "" : (scales[name].format ?? plot.format)(v))) })),
    ],
    series: [{}, ...plot.lines.map((line, index) => ({
      label: line.name, scale: line.scale ?? names[0], stroke: strokes[index].stroke, width: strokes[index].width, dash: strokes[index].dash,
      fill: line.fill ? tinted(strokes[index].stroke, line.fill) : undefined, spanGaps: line.spanGaps ?? false,
      paths: line.pointsOnly ? () => null : line.step ? uPlot.paths.stepped({ align: 1 }) : undefined,
      points: { show: line.pointsOnly || lonely(line).length > 0, filter: line.pointsOnly ? undefined : () => lonely(line), size: 6, fill: strokes[index].stroke },
    }))],
    bands: (plot.bands ?? []).map(([upper, lower]) => ({ series: [upper + 1, lower + 1], fill: tinted(strokes[upper].stroke, 0.14) })),
    hooks: { draw: [(made) => { for (const mark of plot.marks ?? []) drawMark(made, mark); for (const limit of plot.limits ?? []) drawLimit(made, limit, names[0]); }], setCursor: [legend.follow] },
  };
}

const TIME_STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000];
/** Steps of an axis that are round in the unit: 512 MiB and 5 min, where 500,000,000 B and 200 s are not. */
const STEPS_OF = { bytes: Array.from({ length: 50 }, (_, power) => 2 ** power), s: [...[-6, -5, -4, -3, -2, -1].flatMap((power) => [1, 2, 5].map((round) => Number(`${round}e${power}`))), ...TIME_STEPS.filter((step) => step >= 1)] };
const WHOLE_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6];
const widthOfLabels = (_, labels) => 22 + 7 * Math.max(3, ...(labels ?? []).map((text) => text.length));

function scaleOf(wanted, plot) {
  if (wanted.logarithmic) return { distr: 3 };
  return {
    range: (_, least, most) => {
      if (least == null) return [wanted.min ?? 0, wanted.max ?? 1];
      const limits = (plot.limits ?? []).map((limit) => limit.value);
      const low = wanted.min ?? Math.min(least, ...limits), high = wanted.max != null ? wanted.max : Math.max(most, ...limits);
      const room = (high - low || Math.abs(high) || 1) * 0.06;
      return [wanted.min ?? low - room, Math.max(high, low) + (wanted.max != null && most <= wanted.max ? 0 : room)];
    },
  };
}

/** Where a line has values that touch no other: a line alone would not show them. */
function lonely({ values, drawn, spanGaps }) {
  const there = drawn ?? values, indices = there.flatMap((value, index) => (value == null ? [] : [index]));
  if (spanGaps) return indices.length === 1 ? indices : [];
  return indices.filter((index) => there[index - 1] == null && there[index + 1] == null);
}

/** Round numbers of a logarithmic axis: decades, and between few of them 2 and 5. */
function decades(_, __, least, most) {
  const [from, to] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  const rounds = to - from > 3 ? [1] : [1, 2, 5];
  const all = Array.from({ length: to - from + 1 }, (_, i) => rounds.map((round) => round * 10 ** (from + i))).flat();
  return all.filter((value) => value >= least * 0.999 && value <= most * 1.001);
}

function tinted(stroke, opacity) {
  return stroke + Math.round(opacity * 255).toString(16).padStart(2, "0");
}

function drawLimit(made, limit, scale) {
  const y = made.valToPos(limit.value, scale, true), { left, width, top, height } = made.bbox;
  if (y >= top && y <= top + height) stroked(made, limit.color, [8, 5], [left, y], [left + width, y]);
}

function drawMark(made, mark) {
  const x = made.valToPos(mark.x, "x", true), { left, width, top, height } = made.bbox;
  if (x >= left && x <= left + width) stroked(made, mark.color, [2, 4], [x, top], [x, top + height]);
}

function stroked(made, color, dash, from, to) {
  const context = made.ctx;
  context.save();
  context.strokeStyle = colour(color);
  context.lineWidth = devicePixelRatio;
  context.setLineDash(dash.map((length) => length * devicePixelRatio));
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  context.restore();
}

function moveCursor(event, made) {
  const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
  const last = made.data[0].length - 1, from = made.cursor.idx ?? last;
  const to = event.key === "Home" ? 0 : event.key === "End" ? last : step ? Math.min(last, Math.max(0, from + step)) : null;
  if (to == null) return;
  event.preventDefault();
  made.setCursor({ left: made.valToPos(made.data[0][to], "x"), top: made.over.clientHeight / 2 });
}

/** The legend: key, name and calculations of each line; while the cursor is in the plot, the values there. */
function legendOf(plot, strokes) {
  const calcs = plot.calcs?.length ? plot.calcs : ["lastNotNull"];
  const heads = calcs.map((name) => element("th", { scope: "col", class: "n", text: calculated(name, [])[0] }));
  const cells = plot.lines.map((line) => calcs.map((name) => { const [, value] = calculated(name, line.values); return element("td", { class: "n" }, figure(value, formatOf(plot, line)(value))); }));
  const rows = plot.lines.map((line, i) => element("tr", { class: strokes[i].modelled ? "modelled" : null }, element("th", { scope: "row" }, keyOf(strokes[i]), document.createTextNode(line.name)), ...cells[i]));
  const table = element("table", { class: "legend", "aria-label": `${plot.title}, lines` }, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, element("span", { class: "unseen", text: "line" })), ...heads)), element("tbody", {}, ...rows));
  const rest = [heads[0].textContent, ...cells.map((of) => of[0].textContent)];
  return {
    table,
    follow: (made) => {
      const at = made.cursor.idx;
      heads[0].textContent = at == null ? rest[0] : plot.formatX(plot.x[at]);
      cells.forEach((of, i) => { of[0].firstChild.textContent = at == null ? rest[i + 1] : formatOf(plot, plot.lines[i])(plot.lines[i].values[at]); });
    },
  };
}

const formatOf = (plot, line) => plot.scales?.[line.scale]?.format ?? plot.format;

function keyOf({ stroke, dash, width }) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ width: 26, height: 10, "aria-hidden": "true", class: "key" })) made.setAttribute(name, value);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [name, value] of Object.entries({ x1: 0, x2: 26, y1: 5, y2: 5, stroke, "stroke-width": width, "stroke-dasharray": dash.join(" ") })) line.setAttribute(name, value);
  made.append(line);
  return made;
}

function inWords(plot) {
  const lines = plot.lines.map((line) => {
    const [, first] = calculated("first", line.values), [, last] = calculated("last", line.values);
    return `${line.name} from ${formatOf(plot, line)(first)} to ${formatOf(plot, line)(last)}`;
  });
  return `${plot.title}: ${lines.slice(0, 8).join("; ")}${lines.length > 8 ? `; and ${lines.length - 8} more` : ""}`;
}

/** The figures of a plot as a table, of at most MOST_ROWS moments, evenly chosen; the last is always there. */
export function figuresTable(plot) {
  const there = plot.x.map((_, i) => i).filter((i) => plot.lines.some((line) => line.values[i] != null));
  const every = Math.max(1, Math.ceil(there.length / MOST_ROWS));
  const chosen = there.filter((_, i) => (there.length - 1 - i) % every === 0);
  const head = element("tr", {}, element("th", { scope: "col", text: plot.xName ?? "time" }), ...plot.lines.map((line) => element("th", { scope: "col", class: "n", text: line.name })));
  const rows = chosen.map((i) => element("tr", {}, element("th", { scope: "row", text: plot.formatX(plot.x[i]) }), ...plot.lines.map((line) => element("td", { class: "n", text: line.values[i] == null ? "" : formatOf(plot, line)(line.values[i]) }))));
  return element("table", { class: "figures" }, element("caption", { text: `${plot.title}: ${chosen.length} of ${there.length} moments` }), element("thead", {}, head), element("tbody", {}, ...rows));
}
