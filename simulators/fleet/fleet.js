"use strict";
// Looks every two seconds; what is filtered is filtered by the exchange, so ten thousand homes are as quick as ten.
const byId = (id) => document.getElementById(id);
const PERIOD_MS = 2000;
const CHART = 100;
let asked = 0;

const kwh = (wh) => `${(wh / 1000).toLocaleString(undefined, { maximumFractionDigits: 1 })} kWh`;
const usd = (ticks) => (ticks === null ? "no trade" : `${(ticks / 100).toFixed(2)} USD/MWh`);
const clock = (iso) => (iso === null ? "never" : new Date(iso).toLocaleString());

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text; // never as HTML: party names come from outside
  parent.append(made);
  return made;
}

function fill(id, build) {
  const place = byId(id);
  place.replaceChildren();
  build(place);
}

const lastTrade = (found) => found.calls.filter((call) => call.price !== null).at(-1);

function figures(found) {
  const [last, traded] = [found.calls.at(-1), lastTrade(found)];
  const all = {
    "homes trading": `${found.homes_trading} of ${found.homes}`,
    "last call": last ? kwh(last.volume_wh) : "none",
    "price of the last trade": traded ? usd(traded.price) : "none",
    "without a reading": `${found.estimated}`,
    "sum of the account": found.zero_sum_error === 0 ? "0" : `off by ${found.zero_sum_error}`,
  };
  fill("figures", (place) => {
    for (const [name, value] of Object.entries(all)) {
      const box = element("div", "", place);
      element("b", value, box);
      element("span", name, box);
    }
  });
}

function calls(found) {
  const most = Math.max(1, ...found.calls.map((call) => call.volume_wh));
  const space = "http://www.w3.org/2000/svg";
  fill("calls", (place) => {
    const picture = document.createElementNS(space, "svg");
    picture.setAttribute("viewBox", `0 0 ${Math.max(1, found.calls.length)} ${CHART}`);
    picture.setAttribute("preserveAspectRatio", "none");
    found.calls.forEach((call, n) => {
      const height = (call.volume_wh / most) * CHART;
      const bar = document.createElementNS(space, "rect");
      const box = { x: n + 0.1, y: CHART - height, width: 0.8, height };
      for (const [name, value] of Object.entries(box)) bar.setAttribute(name, value);
      const title = document.createElementNS(space, "title");
      title.textContent = `${clock(call.time)}: ${kwh(call.volume_wh)}, ${usd(call.price)}`;
      bar.append(title);
      picture.append(bar);
    });
    place.append(picture);
  });
  const [last, traded] = [found.calls.at(-1), lastTrade(found)];
  const said = (call) => `${clock(call.time)}: ${kwh(call.volume_wh)} at ${usd(call.price)} in ${call.instruments} intervals`;
  let text = last ? said(last) : "no call yet";
  if (traded && traded !== last) text += `; the last that traded ${said(traded)}`;
  byId("last-call").textContent = text;
}

function rest(found) {
  fill("refusals", (place) => {
    const kinds = Object.entries(found.refusals);
    for (const [kind, count] of kinds) element("li", `${kind}: ${count}`, place);
    if (!kinds.length) element("li", "none", place);
  });
  fill("settled", (place) => {
    for (const [run, until] of Object.entries(found.settled)) {
      element("dt", run, place);
      element("dd", `through ${clock(until)}`, place);
    }
  });
  const more = found.matching > found.rows.length ? `, the first ${found.rows.length} shown` : "";
  byId("matching").textContent = `${found.matching} of ${found.parties} parties${more}`;
  fill("rows", (place) => {
    for (const row of found.rows) {
      const line = element("tr", "", place);
      if (row.refused) line.className = "failing";
      const why = Object.entries(row.refusals).map(([kind, n]) => `${kind} ${n}`).join(", ");
      const cells = [row.party, row.role, row.state, row.resting, kwh(row.sold_wh), kwh(row.bought_wh), row.requests, row.refused ? `${row.refused} (${why})` : "0", clock(row.last_seen)];
      for (const cell of cells) element("td", cell, line);
    }
  });
}

function alarm(text) {
  byId("alarm").textContent = text;
  byId("alarm").hidden = !text;
}

async function look() {
  const mine = ++asked;
  const query = new URLSearchParams({ text: byId("text").value, state: byId("state").value });
  try {
    const reply = await fetch(`fleet.json?${query}`);
    const found = await reply.json();
    if (mine !== asked) return; // the filter has changed meanwhile
    if (found.error) {
      alarm(found.error);
      return;
    }
    alarm(found.halted ? "The market is halted." : "");
    byId("time").textContent = clock(found.time);
    figures(found);
    calls(found);
    rest(found);
  } catch {
    if (mine === asked) alarm("This page's server does not answer.");
  }
}

byId("filter").addEventListener("submit", (event) => event.preventDefault());
byId("text").addEventListener("input", look);
byId("state").addEventListener("change", look);
setInterval(look, PERIOD_MS);
look();
