// The page: one dashboard of those that ship, or the list of jobs; drawn again as long as there is news.

import { Choices, drawControls } from "/static/controls.js";
import { drawJobs, knownOf, storyOf, unheardOf } from "/static/jobs.js";
import { Panel } from "/static/panel.js";
import { hue } from "/static/fields.js";
import { api, interpolated, json, timeShown, variablesOf } from "/static/query.js";
import { element } from "/static/plot.js";

const JOB_DASHBOARD = "wattrain-training-job";
const RUN_SECONDS = 2;
const SILENT_SECONDS = 10;  // so soon the page shows that a run that had ended without a word is gone on with
const byId = (id) => document.getElementById(id);
const choices = new Choices();
const page = { dashboard: null, panels: [], paused: false, timer: 0, busy: false, again: false };

/** Draws all anew: the address says which dashboard, and what is chosen in it. */
async function open() {
  const listed = await json("/dashboards.json"), uid = choices.dashboard;
  const links = [["Jobs", "/", !uid], ...listed.map(({ uid: each, title }) => [title.replace(/^Wattrain \/ /, ""), `/?dashboard=${each}`, each === uid])];
  byId("dashboards").replaceChildren(...links.map(([text, href, current]) => element("a", { href, text, "aria-current": current ? "page" : null })));
  for (const { dispose } of page.panels) dispose?.();
  page.dashboard = uid ? await json(`/dashboards/${encodeURIComponent(uid)}.json`) : null;
  page.panels = [];
  byId("panels").replaceChildren();
  byId("story").replaceChildren();
  byId("missing").textContent = byId("marks").textContent = "";
  if (page.dashboard) layOut(page.dashboard.panels);
  await refresh();
}

/** A row of a dashboard is a section that folds; panels before the first row come without one. */
function layOut(panels) {
  let into = byId("panels").appendChild(element("div", { class: "grid" }));
  const inOrder = [...panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x);
  const add = (panel) => { const made = new Panel(panel); page.panels.push(made); into.append(made.section); };
  for (const panel of inOrder) {
    if (panel.type !== "row") { add(panel); continue; }
    into = element("div", { class: "grid" });
    byId("panels").append(element("details", { class: "row", open: !panel.collapsed }, element("summary", {}, element("h2", { text: panel.title }), " ", element("span", { class: "soft" })), into));
    panel.panels?.forEach(add);
  }
}

async function refresh() {
  if (page.busy) { page.again = true; return; }
  page.busy = true;
  clearTimeout(page.timer);
  try {
    const about = await json("/about.json");
    byId("source").textContent = about.what;
    const seconds = page.dashboard ? await drawDashboard(about) : await drawList(about);
    document.documentElement.dataset.updated = String(Number(document.documentElement.dataset.updated ?? 0) + 1);
    const isSilent = about.jobs.some((job) => job.silent_since != null);
    if ((about.end == null || isSilent) && !page.paused) page.timer = setTimeout(refresh, 1000 * (about.end == null ? seconds : SILENT_SECONDS));
  } catch (error) {
    document.documentElement.dataset.state = "failed";
    byId("message").textContent = error instanceof TypeError && error.message.includes("fetch") ? "The server of this page does not answer any more. What is shown is what it said last." : error.message;
    if (!page.paused) page.timer = setTimeout(refresh, 10000);
    if (!(error instanceof TypeError && error.message.includes("fetch"))) console.error(error);
  } finally {
    page.busy = false;
    if (page.again) { page.again = false; refresh(); }
  }
}

async function drawList(about) {
  const time = timeShown(choices.time("from", "now-1h"), choices.time("to", "now"), about);
  title("Jobs");
  drawControls(byId("controls"), { variables: [], about: { ...about, kind: "" }, choose, paused: page.paused, pause });
  await drawJobs(byId("panels"), time, (namespace, name) => choices.address({ dashboard: JOB_DASHBOARD, "var-namespace": namespace, "var-job": name }), about);
  say("ready", "");
  return about.kind === "runs" ? RUN_SECONDS : 10;
}

async function drawDashboard(about) {
  const { dashboard } = page, from = choices.time("from", dashboard.time?.from ?? "now-1h");
  const time = timeShown(from, choices.time("to", "now"), about);
  const { values, found } = await variablesOf(dashboard, (name) => choices.of(name), time);
  drawControls(byId("controls"), { variables: found, about, from, choose, paused: page.paused, pause });
  title(dashboard.title.replace(/^Wattrain \/ /, ""), values.job);
  const stories = about.jobs.filter(({ namespace, name }) => namespace === values.namespace && name === values.job);
  const unheard = about.kind === "prometheus" && values.job && typeof values.job === "string" ? await unheardOf(values, time) : [];
  byId("story").replaceChildren(...stories.map(storyOf), ...unheard);
  const [known, marks] = await Promise.all([knownOf(values, time, about), marksOf(dashboard, stories, values, time)]);
  const context = { time, values, known, marks, linkOf: (field, row, value) => linkOf(field, row, value, values) };
  const states = await Promise.all(page.panels.map((panel) => panel.refresh(context)));
  sayMarks(marks);
  tidy(about, states);
  return about.kind === "runs" ? RUN_SECONDS : secondsOf(dashboard.refresh);
}

/** A run has no figures for some panels: they are named in one line instead of standing there empty. */
function tidy(about, states) {
  const missing = page.panels.filter((_, index) => ["refused", "empty"].includes(states[index]));
  for (const panel of page.panels) panel.section.hidden = about.kind === "runs" && missing.includes(panel);
  if (about.kind === "runs") fillLines();
  for (const row of document.querySelectorAll("details.row")) {
    const sections = [...row.querySelectorAll("section")];
    row.hidden = sections.every((section) => section.hidden);
    foldEmpty(row, sections);
  }
  const names = missing.map(({ panel }) => panel.title).join(", ");
  const failed = states.filter((state) => state === "failed").length;
  byId("missing").textContent = about.kind === "runs" && names ? `Not recorded by a run, or only for a Prometheus to answer: ${names}.` : "";
  say(failed ? "failed" : "ready", failed ? `${failed} of ${states.length} panels could not be drawn; each says why.` : "");
}

/** A row without any data, as of GPUs where there are none, is folded when it is first drawn; later the reader folds it or not. */
function foldEmpty(row, sections) {
  const isEmpty = sections.length > 0 && sections.every((section) => section.dataset.state === "empty");
  if (isEmpty && !row.dataset.seen) row.open = false;
  row.dataset.seen = "true";
  row.querySelector("summary .soft").textContent = isEmpty ? "no data" : "";
}

/** Panels that are left in a line of the dashboard share the room of those that are not. */
function fillLines() {
  const lines = new Map();
  for (const { panel, section } of page.panels) {
    if (section.hidden) continue;
    const key = section.parentElement;
    const line = lines.get(key)?.get(panel.gridPos.y) ?? [];
    lines.set(key, (lines.get(key) ?? new Map()).set(panel.gridPos.y, [...line, [section, panel.gridPos.w]]));
  }
  for (const line of [...lines.values()].flatMap((of) => [...of.values()])) {
    const all = line.reduce((sum, [, w]) => sum + w, 0);
    let placed = 0, seen = 0;
    for (const [section, w] of line) {
      seen += w;
      const until = Math.round((24 * seen) / all);
      section.style.setProperty("--wide", until - placed);
      placed = until;
    }
  }
}

/** What happened, for vertical lines: the dashboard's annotations, or the events of a run. */
async function marksOf(dashboard, stories, values, time) {
  const fromEvents = stories.flatMap(({ events }) => events.map(({ time: at, reason, type }) => ({ x: Date.parse(at) / 1000, text: reason, color: type === "Warning" ? "hue-red" : "soft" })));
  if (stories.length) return fromEvents;
  const queries = (dashboard.annotations?.list ?? []).filter(({ enable, expr }) => enable && expr);
  const found = await Promise.all(queries.map(async ({ name, expr, iconColor }) => {
    const { result } = await api("query_range", { query: interpolated(expr, values), start: time.start, end: time.end, step: time.step });
    return result.flatMap(({ values: points }) => points.filter(([at], i) => !i || at - points[i - 1][0] > time.step * 1.5).map(([at]) => ({ x: at, text: name, color: hue(iconColor) })));
  }));
  return found.flat();
}

function sayMarks(marks) {
  const counts = new Map();
  for (const { text } of marks) counts.set(text, (counts.get(text) ?? 0) + 1);
  const told = [...counts].map(([text, count]) => (count > 1 ? `${text} (${count} times)` : text)).join(", ");
  byId("marks").textContent = told ? `Dotted lines in the plots: ${told}.` : "";
}

/** Where a figure leads to: Grafana's addresses of dashboards are those of this page as well. */
function linkOf(field, row, value, values) {
  const url = field.links?.[0]?.url;
  if (!url) return undefined;
  if (!url.startsWith("/d/")) return outside(interpolated(url, values));
  const filled = url.replace(/\$\{__data\.fields\.(\w+)\}/g, (_, name) => encodeURIComponent(row[name] ?? "")).replaceAll("${__value.text}", encodeURIComponent(value));
  const [, uid, query] = /^\/d\/([\w-]+)\?(.*)$/.exec(filled) ?? [];
  const chosen = [...new URLSearchParams(query)].filter(([name, text]) => name.startsWith("var-") && !text.includes("$"));
  return uid ? choices.address({ dashboard: uid }, chosen) : undefined;
}

/** An address that the reader has typed in, as of logs: of the web and of nothing else. */
const outside = (address) => (/^https?:\/\//.test(address) ? address : undefined);

function choose(changes) {
  history.pushState(null, "", choices.address(changes));
  choices.read();
  refresh();
}

function pause() {
  page.paused = !page.paused;
  refresh();
}

function title(name, of) {
  document.querySelector("h1").textContent = of && typeof of === "string" ? `${name}: ${of}` : name;
  document.title = `${document.querySelector("h1").textContent} · Wattrain`;
}

function say(state, text) {
  document.documentElement.dataset.state = state;
  if (byId("message").textContent !== text) byId("message").textContent = text;
}

function secondsOf(text) {
  const found = /^(\d+)([smh])$/.exec(text ?? "");
  return found ? Number(found[1]) * { s: 1, m: 60, h: 3600 }[found[2]] : 30;
}

addEventListener("popstate", () => { choices.read(); open(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
open().catch((error) => { say("failed", error.message); console.error(error); });
