"use strict";
/* The page at /: asks the interface beside it and draws what it says; nothing comes from elsewhere. */

const BASE = "/api/v1/models";
const DAY_MS = 86400000;
const GENESIS = Date.UTC(2009, 0, 3);
const FRESH_MS = 4 * DAY_MS;
const AHEAD = [1, 30, 90, 365];
const REFRESH_MS = 60000, WAITING_MS = 3000;
const SVG = "http://www.w3.org/2000/svg";
const by = (id) => document.getElementById(id);

const VERDICTS = {
  "skill": "better than random walks allow, and than the last price",
  "structure": "does what random walks do not, but the last price is as good",
  "undecided": "cannot be told from a random walk yet: more years are needed",
  "no skill": "no better than on a random walk",
};

class Locked extends Error {}

async function ask(path) {
  const key = sessionStorage.getItem("key");
  if (key && !/^[ -~]+$/.test(key)) throw new Locked();  // no header carries it
  const answer = await fetch(path, { headers: key ? { "X-API-Key": key } : {} });
  if (answer.status === 401) throw new Locked();
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error + ": " + said.detail);
  return said;
}

function node(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function drawn(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function usd(value) {
  if (value === null || value === undefined) return "unknown";
  const digits = value >= 1000 ? 0 : value >= 1 ? 2 : 4;
  return "$" + value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function short(value) {
  if (value >= 1e6) return "$" + value / 1e6 + "M";
  return value >= 1000 ? "$" + value / 1000 + "k" : "$" + value;
}

const percent = (value, digits = 0) =>
  value === null || value === undefined ? "unknown" : (100 * value).toFixed(digits) + " %";
const signed = (value) => (value > 0 ? "+" : "") + percent(value);
const words = (name) => name.replaceAll("_", " ");
const range = (said) => usd(said.confidence_interval.lower) + " to " + usd(said.confidence_interval.upper);
const iso = (time) => new Date(time).toISOString().slice(0, 10);

function table(place, heads, rows) {
  const head = node("thead"), line = node("tr"), body = node("tbody");
  for (const each of heads) {
    const cell = node("th", each);
    cell.scope = "col";
    line.append(cell);
  }
  head.append(line);
  for (const row of rows) {
    const made = node("tr");
    for (const cell of row) made.append(cell instanceof Node ? cell : node("td", cell));
    body.append(made);
  }
  by(place).replaceChildren(head, body);
}

function showStanding(health) {
  const labels = [];
  if (health.simulated) labels.push("SIMULATED");
  if (health.status === "stale") labels.push("STALE");
  if (health.latest_revision) labels.push("REVISED HISTORY");
  by("labels").replaceChildren(...labels.map((each) => node("li", each)));
  const age = health.age_s === null ? "" : ", confirmed " + Math.round(health.age_s) + " s ago";
  by("standing").textContent = health.status === "empty"
    ? "No data yet: run make run or bells data update, and this page fills itself" : "Days of " + health.source + " through " + health.data_through + age;
  by("trouble").hidden = !health.trouble;
  const doing = health.status === "empty" ? "Nothing could be read: " : "The copy is not being refreshed: ";
  by("trouble").textContent = health.trouble ? doing + health.trouble : "";
}

/* An interval is stretched to hold its estimate where nearly all past errors were on one side. */
function oneSided(said) {
  const estimate = said.predicted_price, { lower, upper } = said.confidence_interval;
  if (!said.metadata.interval_stretched) return null;
  if (upper < estimate * 1.00001) return "most past errors on one side: too high";
  return lower > estimate * 0.99999 ? "most past errors on one side: too low" : null;
}

function card(said) {
  const made = node("article", undefined, "card"), meta = said.metadata;
  made.append(node("h3", words(said.model_name)), node("div", usd(said.predicted_price), "value"));
  made.append(node("small", percent(said.confidence_level) + " interval " + range(said)));
  const zone = node("span", meta.zone, "zone " + (meta.zone === "fair" ? "fair-zone" : meta.zone));
  const line = node("small", meta.deviation === null ? "" : "price " + signed(meta.deviation) + " ");
  line.append(zone);
  made.append(line);
  if (oneSided(said)) made.append(node("small", oneSided(said), "one-sided"));
  if (meta.interval === "in_sample") made.append(node("small", "interval in sample"));
  return made;
}

function missing(name, reason) {
  const made = node("article", undefined, "card");
  made.append(node("h3", words(name)), node("div", "no data", "value"), node("small", reason));
  return made;
}

function forecastCell(said) {
  const cell = node("td", usd(said.predicted_price));
  cell.append(node("small", range(said)));
  if (oneSided(said)) cell.append(node("small", oneSided(said), "one-sided"));
  return cell;
}

function showComparison(found) {
  const rows = found.results.map((each) => [
    words(each.model_name), percent(each.common.mape, 1), number(each.common.rmse_log, 3),
    number(each.common.skill_last_price),
    ...each.coverage.map((one) => percent(one.value)),
  ]);
  const base = found.last_price, better = found.better_than_last_price.map(words);
  rows.push(["last price", percent(base.mape, 1), number(base.rmse_log, 3), number(0), ...found.results[0].coverage.map(() => "")]);
  const levels = found.results[0].coverage.map((one) => "in " + percent(one.level) + " interval");
  table("comparison", ["model", "mean error", "rms ln error", "skill", ...levels], rows);
  by("compare-note").textContent = "Walk-forward, one day ahead, " +
    found.results[0].common.n.toLocaleString("en-US") + " days that all of them have. Skill is against the last " +
    "price: below 0 is worse than saying that nothing changes. " +
    (better.length ? "Better than that: " + better.join(", ") + "." : "None of them is better than that.");
}

const number = (value, digits = 2) =>
  value === null || value === undefined ? "unknown" : value.toFixed(digits);

function verdictCell(row) {
  const cell = node("td", undefined, "verdict");
  if (row.verdict === null) cell.append("not judged", node("small", row.reason));
  else cell.append(node("span", row.verdict, "zone " + row.verdict.replace(" ", "-")), node("small", VERDICTS[row.verdict]));
  cell.title = row.reason;
  return cell;
}

const covered = (row) =>
  row.coverage_68 === null ? "unknown" : percent(row.coverage_68) + ", " + percent(row.coverage_95);

async function showBoard(health) {
  by("board-computing").hidden = true;
  by("board").hidden = health.board_through === null;
  if (health.board_through === null) {
    by("board-note").textContent = "No board of this source is stored; bells models board makes one in about a minute.";
    return;
  }
  const told = await ask(BASE + "/board"), at = told.verdict_horizon;
  const rows = told.rows.filter((row) => row.horizon === at).map((row) => [
    words(row.model), verdictCell(row), number(row.p, 3), percent(row.power), number(row.skill), number(row.skill_drift),
    percent(row.mape, 1), covered(row), row.n ? row.n.toLocaleString("en-US") : "0",
  ]);
  table("board", ["model", "verdict", "p", "power", "skill", "with drift", "mean error", "in 68, 95 %", "forecasts"], rows);
  by("board-note").textContent = "Forecasts of " + at + " days through " + told.data_through +
    ", beside random walks that went through the same models. p is the share of walks that did as well, power the chance" +
    " to find what the model claims, were it true; skill is against the last price, and against it moved by the drift.";
}

/* Prices at the lines of the grid: decades, or steps of 1, 2 and 5 where there are fewer than four. */
function ticksBetween(least, most) {
  const steps = (each) => Array.from({ length: Math.floor(most) - Math.floor(least) + 1 }, (_, number) =>
    each.map((step) => Number((step + "e" + (Math.floor(least) + number))))).flat()
    .filter((price) => Math.log10(price) >= least && Math.log10(price) <= most);
  const decades = steps([1]);
  return decades.length < 4 ? steps([1, 2, 5]) : decades;
}

function showChart(told) {
  const { model, history } = told;
  const wide = by("chart").clientWidth, size = { w: wide, h: wide < 600 ? 0.85 * wide : 440 };
  const edge = { left: 70, right: 14, top: 12, bottom: 30 };
  const first = Date.parse(history[0].date), last = Date.parse(history.at(-1).date);
  const end = last + 365 * DAY_MS;
  const fair = (time) => 10 ** (model.alpha + model.beta * Math.log10((time - GENESIS) / DAY_MS));
  const paid = history.filter((each) => each.price > 0);
  const s = model.std_error;
  const least = Math.log10(Math.min(fair(first) / 10 ** (2 * s), ...paid.map((each) => each.price)));
  const most = Math.log10(Math.max(fair(end) * 10 ** (2 * s), ...paid.map((each) => each.price)));
  const x = (time) => edge.left + (size.w - edge.left - edge.right) * (time - first) / (end - first);
  const y = (price) => edge.top + (size.h - edge.top - edge.bottom) * (most - Math.log10(price)) / (most - least);
  const at = (time, price) => x(time).toFixed(1) + "," + y(price).toFixed(1);
  const ticks = ticksBetween(least, most);
  const svg = drawn("svg", { viewBox: "0 0 " + size.w + " " + size.h, role: "img",
    "aria-label": "Price of bitcoin on a logarithmic axis with the power law and its bands" });
  for (const price of ticks) {
    const height = y(price);
    svg.append(drawn("line", { class: "grid", x1: edge.left, x2: size.w - edge.right, y1: height, y2: height }));
    svg.append(drawn("text", { class: "tick", x: edge.left - 8, y: height + 4, "text-anchor": "end" }, short(price)));
  }
  const from = new Date(first).getUTCFullYear() + 1, to = new Date(end).getUTCFullYear();
  const step = Math.max(1, Math.ceil((to - from + 1) / (size.w < 600 ? 6 : 12)));
  for (let year = from; year <= to; year += step) {
    const place = x(Date.UTC(year, 0, 1));
    svg.append(drawn("line", { class: "grid", x1: place, x2: place, y1: edge.top, y2: size.h - edge.bottom }));
    svg.append(drawn("text", { class: "tick", x: place, y: size.h - 10, "text-anchor": "middle" }, year));
  }
  const times = Array.from({ length: 161 }, (_, number) => first + (end - first) * number / 160);
  for (const width of [2, 1]) {
    const upper = times.map((time) => at(time, fair(time) * 10 ** (width * s)));
    const lower = times.map((time) => at(time, fair(time) / 10 ** (width * s))).reverse();
    svg.append(drawn("polygon", { class: "band", points: [...upper, ...lower].join(" ") }));
  }
  svg.append(drawn("polyline", { class: "line fair", points: times.map((time) => at(time, fair(time))).join(" ") }));
  const every = Math.max(1, Math.floor(paid.length / 900));
  const kept = paid.filter((_, number) => (paid.length - 1 - number) % every === 0);
  svg.append(drawn("polyline", { class: "line price",
    points: kept.map((each) => at(Date.parse(each.date), each.price)).join(" ") }));
  svg.append(drawn("line", { class: "today", x1: x(last), x2: x(last), y1: edge.top, y2: size.h - edge.bottom }));
  by("chart").replaceChildren(svg);
  by("chart-note").textContent = "log10 price = " + model.alpha.toFixed(3) + " + " + model.beta.toFixed(3) +
    " log10 days since 2009-01-03; standard error " + s.toFixed(3) + ", fitted on " + model.sample_size +
    " days. Bands are in sample; the dotted line is the newest day.";
}

async function showModels(health) {
  const infos = await ask(BASE), fitted = infos.filter((each) => each.is_fitted).map((each) => each.name);
  by("content").hidden = false;  // before the chart is drawn: it asks how wide it is
  by("law").hidden = !fitted.includes("power_law");
  const told = by("law").hidden ? { history: [] } : await ask(BASE + "/power-law/history?days=5000");
  if (!by("law").hidden) showChart(told);
  const newest = told.history.filter((each) => each.price > 0).at(-1);
  const price = newest ? "&current_price=" + newest.price : "";
  const last = Date.parse(health.data_through), now = Date.parse(health.as_of);
  const day = iso(now - last > FRESH_MS ? last + DAY_MS : now);  // an old price is no price of today
  const today = await Promise.all(fitted.map((name) => ask(BASE + "/" + name + "/predict?date=" + day + price)));
  const absent = infos.filter((each) => !each.is_fitted).map((each) => missing(each.name, health.models[each.name]));
  by("cards").replaceChildren(...today.map(card), ...absent);
  by("today-title").textContent = "Fair value on " + day +
    (newest ? ", price " + usd(newest.price) + " at the end of " + newest.date : "");
  by("today-note").textContent = "Models are fitted on all days through " + health.data_through + ".";
  const rows = await Promise.all(fitted.map(async (name) => [words(name), ...(await Promise.all(AHEAD.map(
    async (days) => forecastCell(await ask(BASE + "/" + name + "/predict?date=" + iso(last + days * DAY_MS)))))) ]));
  table("forecasts", ["model", ...AHEAD.map((days) => iso(last + days * DAY_MS) + " (" + days + " d)")], rows);
  by("compare-computing").hidden = false;
  const query = fitted.map((name) => "models=" + encodeURIComponent(name)).join("&");
  try {
    showComparison(await ask(BASE + "/compare?" + query));
  } catch (failure) {
    if (failure instanceof Locked) throw failure;
    by("compare-note").textContent = "They cannot be compared: " + failure.message;
  } finally {
    by("compare-computing").hidden = true;
  }
}

let shown = null, next;

async function refresh() {
  let waiting = false;
  try {
    const health = await ask("/health");
    waiting = health.status === "empty";
    showStanding(health);
    if (health.status !== "empty" && shown !== health.snapshot) {
      await showModels(health);
      shown = health.snapshot;
    }
    if (health.status !== "empty") await showBoard(health);
    by("locked").hidden = true;
    document.body.dataset.ready = "yes";
  } catch (failure) {
    by("locked").hidden = !(failure instanceof Locked);
    if (failure instanceof Locked) {
      by("refused").hidden = !sessionStorage.getItem("key");
      sessionStorage.removeItem("key");
    } else {
      by("trouble").hidden = false;
      by("trouble").textContent = failure.message;
    }
  }
  clearTimeout(next);
  next = setTimeout(refresh, waiting ? WAITING_MS : REFRESH_MS);
}

by("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", by("key").value);
  by("key").value = "";
  refresh();
});
refresh();
