// What the reader chooses: variables, time, and whether the page goes on.

import { element } from "/static/plot.js";

const SPANS = [["now-5m", "last 5 minutes"], ["now-15m", "last 15 minutes"], ["now-1h", "last hour"], ["now-3h", "last 3 hours"], ["now-6h", "last 6 hours"], ["now-12h", "last 12 hours"], ["now-24h", "last 24 hours"], ["now-2d", "last 2 days"], ["now-7d", "last 7 days"], ["now-30d", "last 30 days"]];

/** Choices in the address of the page, by Grafana's names: dashboard, var-NAME, from, to. */
export class Choices {
  constructor() {
    this.read();
  }

  read() {
    this.query = new URLSearchParams(location.search);
  }

  get dashboard() {
    return this.query.get("dashboard");
  }

  of(name) {
    return this.query.getAll(`var-${name}`);
  }

  time(name, otherwise) {
    return this.query.get(name) ?? otherwise;
  }

  /** The address of the page with other choices: { name: value, values or null to remove }. */
  address(changes, base = this.query) {
    const query = new URLSearchParams(base);
    for (const [name, value] of Object.entries(changes)) {
      query.delete(name);
      for (const each of value == null ? [] : [value].flat()) query.append(name, each);
    }
    return `/?${query}`;
  }
}

/** Fills the form with a field for each variable and for the time; `choose({ name: value })` is called on a change. */
export function drawControls(form, { variables, about, from, choose, paused, pause }) {
  const fields = variables.filter(({ variable, options }) => variable.hide !== 2 && !(variable.type === "query" && !options.length)).map((each) => fieldOf(each, choose));
  if (about.kind === "prometheus") fields.push(labelled("Time", timeField(from, choose)));
  if (about.end == null) {
    const button = element("button", { type: "button", "aria-pressed": String(paused), text: paused ? "Go on" : "Pause" });
    button.addEventListener("click", pause);
    fields.push(button);
  }
  const focused = document.activeElement?.name;
  form.replaceChildren(...fields);
  if (focused) form.elements.namedItem(focused)?.focus?.();
}

function fieldOf({ variable, options, kind, chosen }, choose) {
  const name = `var-${variable.name}`, label = variable.label || variable.name;
  if (kind === "text") {
    const input = element("input", { name, value: chosen[0] ?? "", autocomplete: "off" });
    input.addEventListener("change", () => choose({ [name]: input.value || null }));
    return labelled(label, input);
  }
  if (variable.multi) return severalOf(label, name, variable, options, chosen, choose);
  const select = element("select", { name }, ...(variable.includeAll ? [element("option", { value: "$__all", text: "All" })] : []), ...options.map((value) => element("option", { value, text: value })));
  select.value = chosen[0] ?? "";
  select.addEventListener("change", () => choose({ [name]: select.value }));
  return labelled(label, select);
}

function severalOf(label, name, variable, options, chosen, choose) {
  const boxes = [...(variable.includeAll ? [["$__all", "All"]] : []), ...options.map((value) => [value, value])].map(([value, text]) => {
    const box = element("input", { type: "checkbox", value, checked: chosen.includes(value) });
    box.addEventListener("change", () => choose({ [name]: picked(boxes, value, box.checked) }));
    return element("label", {}, box, text);
  });
  const told = chosen.includes("$__all") ? "All" : chosen.join(", ");
  return element("details", { class: "several" }, element("summary", { text: `${label}: ${told || "none"}` }), element("fieldset", {}, element("legend", { class: "unseen", text: label }), ...boxes));
}

function picked(boxes, value, checked) {
  if (value === "$__all") return checked ? ["$__all"] : null;
  const others = boxes.map((label) => label.firstChild).filter((box) => box.checked && box.value !== "$__all").map((box) => box.value);
  return others.length ? others : null;
}

function timeField(from, choose) {
  const known = SPANS.some(([value]) => value === from) ? SPANS : [...SPANS, [from, "as in the address"]];
  const select = element("select", { name: "from" }, ...known.map(([value, text]) => element("option", { value, text })));
  select.value = from;
  select.addEventListener("change", () => choose({ from: select.value, to: null }));
  return select;
}

function labelled(text, field) {
  return element("label", {}, element("span", { text }), field);
}
