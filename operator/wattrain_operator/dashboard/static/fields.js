// How a panel wants a figure to be shown: Grafana's field configuration, with its overrides.

const LINE_PREFIX = "custom.";

/** The configuration of the field `name` of the query `refId`: { unit, decimals, ..., custom: {...} } */
export function fieldOf(panel, name, refId) {
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  const field = { ...defaults, custom: { ...defaults.custom } };
  for (const { matcher, properties } of overrides) {
    if (!matches(matcher, name, refId)) continue;
    for (const { id, value } of properties) {
      if (id.startsWith(LINE_PREFIX)) field.custom[id.slice(LINE_PREFIX.length)] = value;
      else field[id] = value;
    }
  }
  return field;
}

function matches({ id, options }, name, refId) {
  if (id === "byName") return options === name;
  if (id === "byFrameRefID") return options === refId;
  if (id === "byRegexp") {
    const found = /^\/(.*)\/([a-z]*)$/s.exec(options);
    return found ? new RegExp(found[1], found[2]).test(name) : new RegExp(`^${options}$`).test(name);
  }
  throw new Error(`override ${id}: not known to this page`);
}

const HUES = ["green", "red", "yellow", "orange", "blue", "purple"];

/** The name of a custom property of page.css for one of Grafana's colours: its shades are one to this page. */
export function hue(color) {
  if (!color || color === "transparent" || color === "text") return "text";
  const name = color.replace(/^(super-light|light|semi-dark|dark)-/, "");
  if (HUES.includes(name)) return `hue-${name}`;
  if (["gray", "grey"].includes(name)) return "soft";
  return color;
}
