// Panels without a canvas: figures, bars, tables, states and texts.

import { fieldOf, hue } from "/static/fields.js";
import { tableOf } from "/static/frames.js";
import { calculated, element, figure } from "/static/plot.js";
import { formatted, shown } from "/static/units.js";

const calcOf = (panel) => panel.options?.reduceOptions?.calcs?.[0] ?? "lastNotNull";

/** [{ name, value, text, color, field }] of every series of a panel that shows one figure of each. */
function figuresOf(panel, results) {
  return results.flatMap(({ target, series }) => series.map(({ name, points }) => {
    const field = fieldOf(panel, name, target.refId), values = points.map(([, value]) => value);
    const value = values.length === 1 ? values[0] : calculated(calcOf(panel), values)[1];
    return { name, value, field, ...shown(value, field) };
  }));
}

export function drawFigures(panel, box, results, { linkOf }) {
  const found = figuresOf(panel, results), named = panel.options?.textMode === "value_and_name" || found.length > 1;
  const list = element("dl", { class: found.length > 1 ? "stat several" : "stat" });
  for (const { name, value, text, color, field } of found) {
    const made = figure(value, panel.options?.textMode === "name" ? name : text);
    made.style.color = `var(--${hue(color)})`;
    const term = element("dt", { class: named && name !== "value" ? null : "unseen", text: name === "value" ? panel.title : name });
    const href = linkOf(field, {}, text), shownAs = href ? element("a", { href, rel: "noreferrer" }, made) : made;
    list.append(element("div", {}, term, element("dd", { class: text.length > 8 ? "long" : null }, shownAs)));
  }
  box.replaceChildren(list);
  return {};
}

export function drawBars(panel, box, results) {
  const found = figuresOf(panel, results), { min = 0, max } = panel.fieldConfig?.defaults ?? {};
  const most = max ?? Math.max(...found.map(({ value }) => (Number.isFinite(value) ? value : 0)), 0);
  const rows = found.map(({ name, value, text, color }) => {
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    bar.style.width = `${most > min && Number.isFinite(value) ? Math.max(0, Math.min(100, ((value - min) / (most - min)) * 100)) : 0}%`;
    bar.style.background = `var(--${color && color !== "text" ? hue(color) : "hue-blue"})`;
    return element("tr", {}, element("th", { scope: "row", text: name }), element("td", { class: "track" }, bar), element("td", { class: "n" }, figure(value, text)));
  });
  box.replaceChildren(element("table", { class: "bars", "aria-label": panel.title }, element("tbody", {}, ...rows)));
  return {};
}

export function drawTable(panel, box, results, { linkOf }) {
  const { columns, rows, origin } = tableOf(panel, results);
  const fields = new Map(columns.map((name) => [name, fieldOf(panel, name, origin[name])]));
  const kept = columns.filter((name) => !fields.get(name).custom.hidden && rows.some((row) => row[name] != null && row[name] !== ""));
  const numeric = (name) => rows.some((row) => typeof row[name] === "number");
  const head = kept.map((name) => element("th", { scope: "col", class: numeric(name) ? "n" : null, text: name }));
  const body = rows.map((row) => element("tr", {}, ...kept.map((name) => cell(row, name, fields.get(name), linkOf))));
  const table = element("table", { class: "data", "aria-label": panel.title }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  box.replaceChildren(element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${panel.title}, table` }, table));
  return {};
}

function cell(row, name, field, linkOf) {
  const value = row[name];
  if (typeof value !== "number") {
    const href = value && linkOf(field, row, value);
    return element("td", {}, href ? element("a", { href, text: value ?? "" }) : document.createTextNode(value ?? ""));
  }
  const { text, color } = shown(value, field), made = figure(value, text);
  if (color && color !== "text") made.style.color = `var(--${hue(color)})`;
  return element("td", { class: "n" }, made);
}

export function drawStates(panel, box, results, { time }) {
  const rows = results.flatMap(({ target, series }) => series.map(({ name, points }) => ({ name, spells: spellsOf(points, fieldOf(panel, name, target.refId), time) })));
  const span = time.end - time.start;
  const list = element("div", { class: "states", role: "img", "aria-label": rows.map(({ name, spells }) => `${name}: ${spells.map((spell) => spell.text).join(", then ")}`).join("; ") });
  for (const { name, spells } of rows) {
    const line = element("div", { class: "spells" });
    for (const { from, to, text, color, value } of spells) {
      const bar = element("div", { class: "spell", title: `${text}, ${formatted(to - from, { unit: "s" })}` }, figure(value, text));
      bar.style.left = `${(100 * (from - time.start)) / span}%`;
      bar.style.width = `${(100 * (to - from)) / span}%`;
      bar.style.background = `var(--${hue(color)})`;
      line.append(bar);
    }
    list.append(element("div", { class: "name", text: name }), line);
  }
  box.replaceChildren(list);
  return { figures: () => spellsTable(panel, rows) };
}

/** Stretches of one value: { from, to, value, text, color }; a sample holds until the next, or for one step. */
function spellsOf(points, field, { step, end }) {
  const spells = [];
  for (const [moment, value] of points) {
    const last = spells.at(-1), until = Math.min(moment + step, end);
    if (last && last.value === value && moment - last.to < step * 0.5) last.to = until;
    else spells.push({ from: moment, to: until, value, ...shown(value, field) });
  }
  return spells;
}

function spellsTable(panel, rows) {
  const clock = (seconds) => new Date(seconds * 1000).toLocaleString("en-GB", { dateStyle: "short", timeStyle: "medium" });
  const lines = rows.flatMap(({ name, spells }) => spells.map(({ from, to, text }) => [name, text, clock(from), formatted(to - from, { unit: "s" })]));
  const head = element("tr", {}, ...["of", "state", "from", "for"].map((text) => element("th", { scope: "col", text })));
  return element("table", { class: "figures" }, element("caption", { text: panel.title }), element("thead", {}, head), element("tbody", {}, ...lines.map((cells) => element("tr", {}, ...cells.map((text) => element("td", { text }))))));
}

const INLINE = /\*\*(.+?)\*\*|\*(.+?)\*|`(.+?)`|\[(.+?)\]\((\S+?)\)/g;

/** The little of Markdown that texts of dashboards use: paragraphs, lists, bold, emphasis, code and links. */
export function drawText(panel, box) {
  const blocks = (panel.options?.content ?? "").trim().split(/\n\s*\n/);
  box.replaceChildren(...blocks.map((block) => {
    const items = block.split("\n").filter((line) => /^\s*[-*] /.test(line));
    if (items.length) return element("ul", {}, ...items.map((line) => element("li", {}, ...inline(line.replace(/^\s*[-*] /, "")))));
    return element(/^#+ /.test(block) ? "h4" : "p", {}, ...inline(block.replace(/^#+ /, "")));
  }));
  return {};
}

function inline(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    parts.push(text.slice(at, found.index));
    const [whole, bold, emphasis, code, label, address] = found;
    if (bold) parts.push(element("strong", { text: bold }));
    else if (emphasis) parts.push(element("em", { text: emphasis }));
    else if (code) parts.push(element("code", { text: code }));
    else parts.push(/^https?:/.test(address) ? element("a", { href: address, text: label, rel: "noreferrer" }) : label);
    at = found.index + whole.length;
  }
  return [...parts, text.slice(at)];
}
