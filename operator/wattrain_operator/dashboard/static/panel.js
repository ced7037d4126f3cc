// One panel of a dashboard: its frame, its question, and its drawing, again at each refresh.

import { ask } from "/static/query.js";
import { drawLines } from "/static/panel_lines.js";
import { drawXY } from "/static/panel_xy.js";
import { drawBars, drawFigures, drawStates, drawTable, drawText } from "/static/panel_texts.js";
import { element } from "/static/plot.js";
import { ENERGY_UNITS } from "/static/units.js";

const DRAW = { timeseries: drawLines, stat: drawFigures, gauge: drawFigures, bargauge: drawBars, table: drawTable, "state-timeline": drawStates, xychart: drawXY, text: drawText };
const SMALL = new Set(["stat", "gauge"]);

export class Panel {
  constructor(panel) {
    this.panel = panel;
    const id = `panel-${panel.id}`;
    this.known = element("span", { class: "known", hidden: true });
    this.box = element("div", { class: "body" });
    this.note = element("p", { class: "note", hidden: true });
    this.behind = element("details", { class: "behind", hidden: true }, element("summary", { text: "Figures" }), element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${panel.title}, figures` }));
    this.behind.addEventListener("toggle", () => this.fill());
    const about = panel.description ? element("details", { class: "about" }, element("summary", { "aria-label": `About ${panel.title}`, text: "?" }), element("p", { text: panel.description })) : "";
    this.section = element("section", { class: `panel ${panel.type}`, id, "aria-labelledby": `${id}-title`, "data-state": "loading" }, element("div", { class: "head" }, element("h3", { id: `${id}-title`, text: panel.title }), SMALL.has(panel.type) ? "" : this.known, about), this.box, SMALL.has(panel.type) ? this.known : "", this.note, this.behind);
    const { w = 24, h = 8 } = panel.gridPos ?? {};
    for (const [name, value] of Object.entries({ "--wide": w, "--middle": SMALL.has(panel.type) ? Math.max(6, Math.min(12, w)) : w > 6 ? 24 : 12, "--narrow": SMALL.has(panel.type) && w <= 5 ? 12 : 24, "--lines": h })) this.section.style.setProperty(name, value);
  }

  /** Ask and draw. Returns the state: drawn, empty, refused (it needs a Prometheus) or failed. */
  async refresh(context) {
    try {
      const { results, refused } = this.panel.type === "text" ? { results: [], refused: [] } : await ask(this.panel, context.values, context.time);
      const hasSeries = ({ series }) => series.length, isThere = this.panel.type === "xychart" ? results.every(hasSeries) : results.some(hasSeries);
      const state = this.panel.type === "text" || isThere ? "drawn" : refused.length ? "refused" : "empty";
      this.show(state, refused.length && state === "drawn" ? `A part is not shown: ${refused[0]}.` : "");
      if (state === "drawn") this.draw(results, context);
      else this.replace(element("p", { class: "nothing", text: refused[0] ?? this.panel.fieldConfig?.defaults?.noValue ?? "No data" }));
    } catch (error) {
      this.replace(element("p", { class: "failure", role: "alert", text: error.message }));
      this.show("failed", "");
    }
    return this.section.dataset.state;
  }

  draw(results, context) {
    const draw = DRAW[this.panel.type];
    if (!draw) throw new Error(`panel of type ${this.panel.type}: not known to this page`);
    this.dispose?.();
    const { dispose, figures } = draw(this.panel, this.box, results, context);
    this.dispose = dispose;
    this.figures = figures;
    this.behind.hidden = !figures;
    this.fill();
    this.sayHowKnown(context.known);
  }

  /** Energy, and what follows from it, is nothing without how it is known. */
  sayHowKnown(known) {
    const { defaults = {}, overrides = [] } = this.panel.fieldConfig ?? {};
    const units = [defaults.unit, ...overrides.flatMap(({ properties }) => properties.filter(({ id }) => id === "unit").map(({ value }) => value))];
    const isEnergy = units.some((unit) => ENERGY_UNITS.has(unit) || /^currency/.test(unit ?? ""));
    this.known.hidden = !known || !isEnergy;
    this.known.textContent = known ?? "";
    this.known.className = `known ${known === "measured" ? "" : "modelled"}`;
  }

  fill() {
    if (this.behind.open && this.figures) this.behind.lastChild.replaceChildren(this.figures());
  }

  replace(...content) {
    this.dispose?.();
    this.dispose = this.figures = undefined;
    this.behind.hidden = this.known.hidden = true;
    this.box.replaceChildren(...content);
  }

  show(state, note) {
    this.section.dataset.state = state;
    this.note.hidden = !note;
    this.note.textContent = note;
  }
}
