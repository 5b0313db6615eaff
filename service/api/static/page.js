"use strict";
const BASE = "/api/v1/models";
const usd = (x) => x == null ? "unknown" : x.toLocaleString("en-GB", { maximumFractionDigits: x < 100 ? 2 : 0 });
const at = (id) => document.getElementById(id);

async function get(path) {
  const answer = await fetch(path);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail || answer.statusText);
  return { body, headers: answer.headers };
}

function row(cells) {
  const line = document.createElement("tr");
  for (const text of cells) line.appendChild(document.createElement("td")).textContent = text;
  return line;
}

function say(text, warn) {
  at("state").textContent = text;
  at("state").className = warn ? "warn" : "";
}

function draw(days, model) {
  const svg = at("law");
  const add = (name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    svg.appendChild(made);
  };
  svg.replaceChildren();
  const low = days.map((d) => Math.log10(d.fair_value) - model.std_error);
  const high = days.map((d) => Math.log10(d.fair_value) + model.std_error);
  const prices = days.map((d) => Math.log10(d.price));
  const least = Math.floor(Math.min(...low, ...prices)), most = Math.ceil(Math.max(...high, ...prices));
  const x = (i) => 60 + (650 * i) / Math.max(days.length - 1, 1);
  const y = (v) => 290 - (275 * (v - least)) / Math.max(most - least, 1);
  for (let power = least; power <= most; power += 1) {
    add("line", { x1: 60, x2: 710, y1: y(power), y2: y(power), class: "axis" });
    add("text", { x: 54, y: y(power) + 4, "text-anchor": "end" }, usd(10 ** power));
  }
  const path = (values) => values.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  const back = low.map((v, i) => `L${x(i).toFixed(1)} ${y(v).toFixed(1)}`).reverse().join("");
  add("path", { d: `${path(high)}${back}Z`, class: "band" });
  add("path", { d: path(prices), class: "price" });
  add("path", { d: path(days.map((d) => Math.log10(d.fair_value))), class: "fair" });
  add("text", { x: 60, y: 310 }, days[0].date);
  add("text", { x: 710, y: 310, "text-anchor": "end" }, days[days.length - 1].date);
}

async function show() {
  try {
    const { body: past, headers } = await get(`${BASE}/power-law/history?days=5000`);
    const last = past.history[past.history.length - 1];
    draw(past.history, past.model);
    at("law-words").textContent = `Price (thin) and power law (thick, with one in-sample standard deviation) on a log scale. On ${last.date} the price was ${usd(last.price)} USD and the line ${usd(last.fair_value)} USD: ${last.zone}. The line is today's fit, not what was said then.`;
    const health = (await get("/health")).body;
    const simulated = headers.get("x-simulated") === "true" ? "SIMULATED data. " : "";
    const stale = health.status === "stale" ? ` The copy is stale: ${health.problem}` : "";
    say(`${simulated}As of ${health.as_of}; last compared with the warehouse ${Math.round(health.age_s)} s ago.${stale}`, Boolean(simulated || stale));
    const models = (await get(BASE)).body;
    const fitted = models.filter((each) => each.is_fitted);
    at("models").replaceChildren();
    for (const each of models) {
      if (!each.is_fitted) { at("models").append(row([each.name, "no data", "", "", "unknown"])); continue; }
      try {
        const found = (await get(`${BASE}/${each.name}/predict?current_price=${last.price}`)).body;
        const inside = found.confidence_interval;
        at("models").append(row([each.name, usd(found.predicted_price), `${usd(inside.lower)} to ${usd(inside.upper)}`, `${Math.round(100 * found.confidence_level)} %`, found.metadata.zone]));
      } catch (failure) { at("models").append(row([each.name, failure.message, "", "", "unknown"])); }
    }
    const list = fitted.map((each) => `models=${encodeURIComponent(each.name)}`).join("&");
    const compared = (await get(`${BASE}/compare?${list}`)).body;
    at("compare").replaceChildren(...compared.results.map((each) => row([each.rank, each.model_name, each.common.mape == null ? "unknown" : (100 * each.common.mape).toFixed(1), each.common.n, each.metrics.skill_last_price == null ? "unknown" : each.metrics.skill_last_price.toFixed(2)])));
  } catch (failure) { say(failure.message, true); }
}
show();
