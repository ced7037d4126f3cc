// The list of jobs, and what is known of one job beside its figures.

import { api, valueOf } from "/static/query.js";
import { element, figure } from "/static/plot.js";
import { formatted } from "/static/units.js";

const MOST_PAST = 50;
const JOB = "wattrain_trainingjob_";
const COLUMNS = [
  ["Progress", "progress_ratio", "percentunit"], ["Step", "step", "none"], ["Loss", "loss", "none"], ["Samples a second", "samples_per_second", "short"],
  ["Power", "power_watts", "watt"], ["Energy", "energy_joules_total", "joule"], ["CO2e", "emissions_co2e_grams_total", "massg"],
];
/** One series a job: after a change of leader two operators may have told of it. */
const ofJob = (metric, ...labels) => `max by (namespace, trainingjob${labels.map((label) => `, ${label}`).join("")}) (${JOB}${metric})`;
const QUERIES = [
  ofJob("state", "state"), ofJob("energy_incomplete"), ofJob("measured_energy_ratio"),
  ...COLUMNS.map(([, metric]) => (metric === "energy_joules_total" ? `sum by (namespace, trainingjob) (${ofJob(metric, "component", "source")})` : ofJob(metric))),
];

const keyOf = ({ namespace = "", trainingjob = "" }) => `${namespace}/${trainingjob}`;

/** How the energy of jobs is known: by the shares of it that were measured, unless something was not counted at all. */
export function howKnown(ratios, isIncomplete) {
  if (isIncomplete) return "incomplete";
  if (!ratios.length) return undefined;
  if (ratios.every((ratio) => ratio > 1 - 1e-6)) return "measured";
  if (ratios.every((ratio) => ratio < 1e-6)) return "modelled";
  return ratios.length === 1 ? `${Math.min(99, Math.max(1, Math.round(100 * ratios[0])))} % measured` : "partly modelled";
}

const selectorOf = (values) => `{${[["namespace", values.namespace], ["trainingjob", values.job]].filter(([, value]) => value).map(([label, value]) => `${label}=~"${[value].flat().join("|")}"`).join(",")}}`;

/** The same for the jobs that the variables of a dashboard choose, by what was told last in the time that is shown. */
export async function knownOf(values, time, about) {
  const last = (series) => (about.kind === "prometheus" ? `last_over_time(${series}[${time.builtIn.__range}])` : series);
  const [gaps, ratios] = await Promise.all(["energy_incomplete", "measured_energy_ratio"].map((metric) => api("query", { query: last(`${JOB}${metric}${selectorOf(values)}`), time: time.end })));
  const figures = ({ result }) => result.map(({ value }) => valueOf(value[1]));
  return howKnown(figures(ratios), figures(gaps).some(Boolean));
}

/** Of a job that a Prometheus has heard of, but not lately: since when; else nothing. */
export async function unheardOf(values, time) {
  const state = `${JOB}state${selectorOf(values)}`, moments = `max(max_over_time(timestamp(${state})[${time.builtIn.__range}:${time.builtIn.__interval}]))`;
  const now = await api("query", { query: state, time: time.end });
  if (now.result.length) return [];
  const { result: [last] } = await api("query", { query: moments, time: time.end });
  if (!last) return [];
  const since = formatted(valueOf(last.value[1]) * 1000, { unit: "dateTimeAsLocal" });
  return [element("p", { class: "silence", text: `Prometheus has heard nothing of this job since ${since}: it was ended or deleted, or cannot be reached. What it was then is in the plots; figures of the present are empty.` })];
}

/** Draws the list into `box`; `linkOf(namespace, name)` leads to a job, `stories` are of jobs of runs. Returns how many jobs there are. */
export async function drawJobs(box, time, linkOf, about) {
  const stories = about.jobs;
  const [states, gaps, ratios, ...columns] = await Promise.all(QUERIES.map((query) => api("query", { query, time: time.end })));
  const jobs = new Map();
  for (const { metric, value } of states.result) if (valueOf(value[1]) === 1) jobs.set(keyOf(metric), { ...metric, figures: {} });
  columns.forEach(({ result }, index) => {
    for (const { metric, value } of result) {
      const figures = jobs.get(keyOf(metric))?.figures;
      if (figures) figures[index] = valueOf(value[1]);
    }
  });
  const ratioOf = new Map(ratios.result.map(({ metric, value }) => [keyOf(metric), valueOf(value[1])]));
  const incomplete = new Set(gaps.result.filter(({ value }) => valueOf(value[1])).map(({ metric }) => keyOf(metric)));
  for (const [key, job] of jobs) job.known = howKnown(ratioOf.has(key) ? [ratioOf.get(key)] : [], incomplete.has(key));
  const head = ["Job", "Namespace", "State", ...COLUMNS.map(([title]) => title), "Energy is"].map((text, index) => element("th", { scope: "col", class: index > 2 && index < 3 + COLUMNS.length ? "n" : null, text }));
  const rows = [...jobs.values()].sort((a, b) => keyOf(a).localeCompare(keyOf(b))).map((job) => rowOf(job, linkOf, stories.find(({ namespace, name }) => namespace === job.namespace && name === job.trainingjob)));
  const table = element("table", { class: "data jobs", "aria-label": "Jobs" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
  const nothing = element("p", { class: "nothing", text: "No job is known here. Prometheus has to scrape the operator, or the address that wattrain run names." });
  const past = about.kind === "prometheus" ? await unheardOfAny(jobs, time, linkOf) : "";
  box.replaceChildren(jobs.size ? element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Jobs" }, table) : past ? "" : nothing, past);
  return jobs.size;
}

/** Jobs that a Prometheus has heard of in the time that is shown, and now does not: as of a run that is over. */
async function unheardOfAny(jobs, time, linkOf) {
  const { result } = await api("query", { query: `max by (namespace, trainingjob) (last_over_time(${JOB}state[${time.builtIn.__range}]))`, time: time.end });
  const gone = result.map(({ metric }) => metric).filter((metric) => !jobs.has(keyOf(metric))).sort((a, b) => keyOf(a).localeCompare(keyOf(b)));
  if (!gone.length) return "";
  const links = gone.slice(0, MOST_PAST).flatMap(({ namespace, trainingjob }, index) => [index ? ", " : "", element("a", { href: linkOf(namespace, trainingjob), text: `${namespace}/${trainingjob}` })]);
  const rest = gone.length > MOST_PAST ? ` and ${gone.length - MOST_PAST} more` : "";
  return element("p", { class: "past" }, `Heard of in the last ${formatted(time.end - time.start, { unit: "s" })} and not any more, for they were ended or deleted, or cannot be reached: `, ...links, `${rest}.`);
}

function rowOf({ namespace, trainingjob, state, figures, known }, linkOf, story) {
  const cells = COLUMNS.map(([title, , unit], index) => element("td", { class: "n", "data-title": title }, figures[index] == null ? "" : figure(figures[index], formatted(figures[index], { unit }))));
  const last = element("td", { "data-title": "Energy is" }, known ? element("span", { class: `known ${known === "measured" ? "" : "modelled"}`, text: known }) : "");
  return element("tr", {}, element("th", { scope: "row" }, element("a", { href: linkOf(namespace, trainingjob), text: trainingjob })), element("td", { "data-title": "Namespace", text: namespace }), element("td", { "data-title": "State" }, stateOf(state, story)), ...cells, last);
}

/** The state of a job as it was told last, and whether it is to be believed. */
function stateOf(state, story) {
  const silent = story?.silent_since != null;
  return element("span", { class: `state ${silent ? "silent" : state}`, text: silent ? `${state}, seems ended` : state });
}

/** What is known of a run that ended without a word, and how it is gone on with. */
function silenceOf({ silent_since: since, resumes }) {
  const said = element("p", { text: `⚠ Nothing was heard of this run since ${formatted(since * 1000, { unit: "dateTimeAsLocal" })}, and no wattrain command has its directory open: it seems to have ended without a word, as by kill -9, a lack of memory or a power cut. What is shown is what was known then. To go on from its newest checkpoint, in the directory in which it was started:` });
  return element("div", { class: "silence", role: "alert" }, said, element("pre", { tabindex: "0", "aria-label": "Command that goes on with it" }, element("code", { text: resumes })));
}

/** Events and receipt of a job of a run. */
export function storyOf(story) {
  const { namespace, name, state, message, events, has_receipt: hasReceipt } = story;
  const silence = story.silent_since == null ? "" : silenceOf(story);
  const receipt = hasReceipt ? element("p", {}, element("a", { href: `/receipt.html?${new URLSearchParams({ namespace, name })}`, text: `Receipt of ${name}` })) : element("p", { class: "soft", text: "The receipt is written when the job is finished." });
  const rows = [...events].reverse().map(({ time, type, reason, message }) => element("tr", { class: type === "Warning" ? "warning" : null }, element("th", { scope: "row", text: new Date(time).toLocaleTimeString("en-GB") }), element("td", { text: `${type === "Warning" ? "⚠ " : ""}${reason}` }), element("td", { text: message })));
  const head = element("tr", {}, ...["Time", "Event", "What happened"].map((text) => element("th", { scope: "col", text })));
  const table = element("table", { class: "data events", "aria-label": `Events of ${name}` }, element("thead", {}, head), element("tbody", {}, ...rows));
  return element("section", { class: "panel story", "aria-label": `Events and receipt of ${name}` }, element("div", { class: "head" }, element("h3", {}, stateOf(state, story), message && !silence ? `: ${message}` : "")), silence, receipt, element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Events, table" }, table));
}
