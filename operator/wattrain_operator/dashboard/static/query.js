// Asks for figures: variables of a dashboard, the time that is shown, and the requests.

const UNITS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
const VARIABLE = /\$\{(\w+)(?::(\w+))?\}|\$([A-Za-z_]\w*)|\[\[(\w+)\]\]/g;

/** What a request was refused for; `kind` is Prometheus' errorType. */
export class Refused extends Error {
  constructor(message, kind) {
    super(message);
    this.kind = kind;
  }
}

export async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

export async function api(path, parameters) {
  const answer = await fetch(`/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  if (body.status !== "success") throw new Refused(body.error, body.errorType);
  return body.data;
}

export const valueOf = (text) => ({ "+Inf": Infinity, "-Inf": -Infinity })[text] ?? Number(text);

/** The time that is shown, in seconds: { start, end, step }, and the built-in variables that follow from it. */
export function timeShown(from, to, about, width = 600) {
  const now = Date.now() / 1000;
  const end = about.end ?? momentOf(to, now), start = about.start ?? momentOf(from, now);
  const span = Math.max(end - start, 5);
  const step = Math.max(about.kind === "runs" ? 0.1 : about.scrape_seconds, niceStep(span / width));  // of a run each step is recorded
  const last = about.end != null ? end : Math.floor(end / step) * step;
  const first = last - Math.ceil(span / step) * step;
  const builtIn = {
    __interval: whole(step), __rate_interval: whole(Math.max(step + about.scrape_seconds, 4 * about.scrape_seconds)),
    __range: whole(span), __range_s: String(Math.round(span)), __from: String(Math.round(first * 1000)), __to: String(Math.round(last * 1000)), __interval_ms: String(step * 1000), __range_ms: String(Math.round(span * 1000)),
  };
  return { start: first, end: last, step, builtIn };
}

const whole = (seconds) => (Number.isInteger(seconds) ? `${seconds}s` : `${Math.round(seconds * 1000)}ms`);

function momentOf(text, now) {
  if (/^\d+$/.test(text)) return Number(text) / 1000;
  const found = /^now(?:-(\d+)([smhdw]))?$/.exec(text);
  if (!found) throw new Error(`time ${text}: write now, now-1h, or milliseconds since 1970`);
  return now - (found[1] ? found[1] * UNITS[found[2]] : 0);
}

function niceStep(seconds) {
  const nice = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400];
  return seconds <= 1 ? Math.ceil(seconds * 10) / 10 : nice.find((step) => step >= seconds) ?? Math.ceil(seconds);
}

/** `text` with its variables replaced; values that are lists become alternatives of a regular expression. */
export function interpolated(text, values) {
  return text.replace(VARIABLE, (whole, braced, form, plain, bracketed) => {
    const name = braced ?? plain ?? bracketed, value = values[name];
    if (value === undefined) throw new Error(`variable ${whole}: the dashboard does not define it`);
    if (form === "queryparam") return [value].flat().map((each) => `var-${name}=${encodeURIComponent(each)}`).join("&");
    if (!Array.isArray(value)) return value;
    if (form === "raw" || form === "csv") return value.join(",");
    return value.length === 1 ? value[0] : `(${value.map(escaped).join("|")})`;
  });
}

const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\\\$&");

/** The variables of a dashboard, one after the other, as later ones use earlier: [{ variable, options, chosen, value }] */
export async function variablesOf(dashboard, chosen, time) {
  const values = { ...time.builtIn, datasource: "prometheus" }, found = [];
  for (const variable of dashboard.templating?.list ?? []) {
    if (variable.type === "datasource") continue;
    const known = await knownValues(variable, values, time);
    const asked = chosen(variable.name).filter((value) => known.kind !== "list" || known.options.includes(value));
    const all = variable.includeAll && (!asked.length || asked.includes("$__all"));
    const taken = asked.length ? asked : known.first;
    values[variable.name] = all ? variable.allValue || known.options : taken.length === 1 ? taken[0] : taken.length ? taken : "";
    found.push({ variable, options: known.options, kind: known.kind, chosen: all ? ["$__all"] : taken, value: values[variable.name] });
  }
  return { values, found };
}

async function knownValues(variable, values, time) {
  if (variable.type === "textbox" || variable.type === "constant") return { kind: "text", options: [], first: [variable.query ?? ""] };
  if (variable.type === "custom") {
    const options = variable.options?.map((option) => option.value).filter((value) => value !== "$__all") ?? variable.query.split(",").map((text) => text.trim());
    return { kind: "list", options, first: currentOf(variable, options) };
  }
  if (variable.type !== "query") throw new Error(`variable ${variable.name}: type ${variable.type} is not known to this page`);
  const text = interpolated(typeof variable.query === "string" ? variable.query : variable.query.query, values);
  const found = /^label_values\((?:(.+),\s*)?(\w+)\)$/s.exec(text);
  if (!found) throw new Error(`variable ${variable.name}: only label_values() is known to this page`);
  const options = await api(`label/${found[2]}/values`, { ...(found[1] ? { "match[]": found[1] } : {}), start: time.start, end: time.end });
  return { kind: "list", options, first: currentOf(variable, options) };
}

function currentOf(variable, options) {
  const current = [variable.current?.value ?? []].flat().filter((value) => options.includes(value));
  return current.length ? current : variable.multi ? options.slice(0, 5) : options.slice(0, 1);
}

/** What the targets of a panel give: { results: [{ target, series }], refused: [messages] }. Errors that are not ours to explain are thrown. */
export async function ask(panel, values, time) {
  const answers = await Promise.all((panel.targets ?? []).filter((target) => !target.hide).map(async (target) => {
    try {
      const query = interpolated(target.expr, values);
      const data = target.instant ? await api("query", { query, time: time.end }) : await api("query_range", { query, start: time.start, end: time.end, step: time.step });
      return { target, series: data.result.map((each) => seriesOf(target, each)) };
    } catch (error) {
      if (error.kind !== "needs_prometheus") throw error;
      return { target, series: [], refused: error.message };
    }
  }));
  return { results: answers, refused: answers.filter((answer) => answer.refused).map((answer) => answer.refused) };
}

function seriesOf(target, { metric, value, values }) {
  const points = (values ?? [value]).map(([time, text]) => [time, valueOf(text)]);
  return { labels: metric, name: nameOf(target, metric), points };
}

function nameOf(target, metric) {
  const format = target.legendFormat;
  if (format && format !== "__auto") return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? "");
  const labels = Object.entries(metric).filter(([name]) => name !== "__name__");
  return labels.map(([name, value]) => `${name}=${value}`).join(" ") || "value";
}
