// The page: listens to the gateway's stream and draws what it says. No state of its own.
import { drawDay, drawOffer } from "./charts.js";
import { followCar } from "./car.js";
import { drawCommands, followPlan } from "./commands.js";
import { drawFlow } from "./flow.js";
import { followHealth } from "./health.js";
import { followPast, startPast } from "./past.js";
import { MISSING, node, say, show, energy, moment, power, price, clock, dayTime, hour } from "./text.js";
import { startWhatIf } from "./what-if.js";
import { amount, chooseLanguage, homeZone, number, symbol, t, translatePage } from "./words.js";

const byId = (id) => document.getElementById(id);
const QUIET_MS = 10_000; // after this long without news the numbers are marked as old
let lastNews = 0;

function drawLive(live) {
  homeZone(live.time_zone);
  say(byId("site"), live.site);
  document.title = `${live.site} – ${t("Energy gateway")}`;
  say(byId("clock"), clock(live.time, live.time_zone));
  say(byId("version"), live.version ? t("Version {version}.", live) : "");
  show(byId("links"), Object.entries(live.links).map(([name, up]) =>
    node("li", { class: up ? "" : "off" }, t(up ? "{name} connected" : "{name} lost", { name: t(name) }))));
  byId("logout").hidden = !live.login;
  drawFlow(byId("flow"), live);
  say(byId("story"), story(live));
  show(byId("powers"), Object.entries(live.power).filter(([name]) => !live.absent.includes(name)).flatMap(([name, watts]) =>
    [node("dt", {}, NAMES[name]), node("dd", {}, power(watts))]));
  drawTiles(live);
  show(byId("notes"), live.notes.map((text) => node("li", {}, text)));
  drawDevices(live);
  followHealth(live, table);
  drawCommands(byId("commands"), live);
}

const NAMES = { pv_w: "Solar", load_w: "Home", grid_w: "Grid, import positive", battery_w: "Battery, discharge positive", charger_w: "Car" };

function story(live) {
  const { grid_w: grid, battery_w: battery } = live.power;
  if (!live.devices.length) return "Nothing is measured yet.";
  if (grid === null) return "The grid meter does not answer; the gateway stays on the safe side.";
  const parts = [];
  parts.push(grid < -50 ? t("Exporting {power}", { power: power(-grid) }) : grid > 50 ? t("Importing {power}", { power: power(grid) }) : t("In balance with the grid"));
  if (battery !== null && Math.abs(battery) > 50) {
    parts.push(t(battery < 0 ? "charging {power}" : "discharging {power}", { power: power(Math.abs(battery)) }));
  }
  const why = live.reason ? ` (${t(live.reason)})` : "";
  return parts.join(", ") + why + ".";
}

function drawTiles(live) {
  const money = symbol(live.currency);
  const perKwh = (value) => [price(value), node("small", {}, ` ${money}/kWh`)];
  // Nobody has published it: a dash, and what is planned with meanwhile.
  const known = (value, estimate) => value !== null || estimate === null ? perKwh(value) : ["–", node("small", { class: "more" }, t(" not known; planned with {price}", { price: price(estimate) }))];
  const tile = (title, content, cls = "") => node("div", { class: cls }, node("dt", {}, title), node("dd", {}, ...[content].flat()));
  const paid = (text) => amount(text, live.currency);
  const bill = (found) => [paid(found.total),
    ...(found.since ? [node("small", { class: "more" }, t(" since {date}", { date: moment(found.since, live.time_zone, { day: "numeric", month: "short" }) }))] : []),
    ...(found.unpriced_wh >= 50 ? [node("small", { class: "more" }, t(" without {energy} of unknown price", { energy: `${number(found.unpriced_wh / 1000, 1)} kWh` }))] : []),
    ...(found.programme_unknown ? [node("small", { class: "more" }, t(" without what the programme still owes"))] : [])];
  const own = (found) => found.self_sufficiency_pct === null ? MISSING : `${number(found.self_sufficiency_pct)}\u00a0%`;
  const stored = (cls) => live.absent.includes("battery_w") ? [] : [tile("One more stored kWh is worth", perKwh(live.prices.stored_value), cls)];
  // Money first: what today costs, once something is metered.
  show(byId("tiles"), [
    ...(live.bill === null ? stored("key") : [
      tile("Bill today", bill(live.bill.today), "key"),
      tile("Bill this month", bill(live.bill.month)),
      tile("Bill this year", bill(live.bill.year)),
      ...(own(live.bill.today) === MISSING && own(live.bill.year) === MISSING ? [] : [tile("Self-sufficiency", [own(live.bill.today),
        node("small", { class: "more" }, t(" month {month}, year {year}", { month: own(live.bill.month), year: own(live.bill.year) }))])]),
      tile("Saved this month", paid(live.bill.month.saved)),
      tile("Saved this year", paid(live.bill.year.saved)),
      tile("Without the gateway", paid(live.bill.month.without_gateway)),
      tile("Without the battery", paid(live.bill.month.without_battery)),
      tile("Without the sun", paid(live.bill.month.without_sun)),
    ]),
    tile("Buying costs", known(live.prices.import, live.prices.import_estimate)),
    tile("Selling earns", known(live.prices.export, live.prices.export_estimate)),
    ...(live.bill === null ? [] : stored("")),
    ...(live.trading === null ? [] : [
      tile("Market expects", perKwh(live.prices.market)),
      tile("Sold for this quarter-hour", energy(live.position_wh)),
      tile("Sold for the next", energy(live.next_position_wh)),
      tile("Account today", paid(live.today)),
      tile("Account, total", paid(live.account)),
    ]),
  ]);
  document.body.classList.toggle("no-market", live.trading === null);
}

function drawDevices(live) {
  show(byId("devices"), !live.devices.length ? [node("p", { class: "hint" }, "No devices yet.")] : live.devices.map((device) => {
    const bad = device.bad.length;
    const state = device.asleep ? "sleeps in the dark" : !device.online ? "does not answer" : bad ? t(bad > 1 ? "answers, {count} bad readings" : "answers, {count} bad reading", { count: bad }) : "answers";
    const look = !device.online ? "dot off" : bad ? "dot some" : "dot";
    const head = node("summary", {}, node("b", {}, document.createTextNode(device.name)),
      node("span", { class: look }, state),
      ...(device.phases === null ? [] : [node("span", { class: "phases" }, t(device.phases > 1 ? "{count} phases" : "{count} phase", { count: device.phases }))]),
      node("span", {}, device.seen ? clock(device.seen, live.time_zone) : "never seen"));
    const rows = device.readings.map((r) => node("tr", {}, node("td", {}, r.title),
      node("td", {}, r.value === null ? r.quality : typeof r.value === "number" ? `${number(r.value, 2, 0)} ${r.unit}` : r.value)));
    const model = device.model ? [node("p", { class: "hint" }, document.createTextNode(device.model))] : [];
    if (device.phases_why) model.push(node("p", { class: "hint" }, document.createTextNode(`${device.name} ${t(device.phases_why)}`)));
    if (device.heat_why) model.push(node("p", { class: "hint" }, device.heat_why));
    const box = node("details", { class: "device" }, head, ...model, node("table", {},
      node("thead", {}, node("tr", {}, node("th", { scope: "col" }, "Reading"), node("th", { scope: "col" }, "Value"))),
      node("tbody", {}, ...rows)));
    return box;
  }));
}

function table(id, columns, rows, nothing) {
  const head = node("thead", {}, node("tr", {}, ...columns.map(([title]) => node("th", { scope: "col" }, title))));
  const body = rows.length
    ? rows.map((row) => node("tr", {}, ...columns.map(([, value]) => node("td", {}, value(row)))))
    : [node("tr", {}, node("td", { class: "none", colspan: columns.length }, nothing))];
  show(byId(id), [head, node("tbody", {}, ...body)]);
}

function drawTables(day) {
  const when = (row) => dayTime(row.start, day.time_zone);
  const money = `${symbol(day.currency)}/kWh`, paid = (text) => amount(text, day.currency), per = (title) => t(`${title} {unit}`, { unit: money });
  const side = (row) => row.side === "SELL" ? "sell" : "buy";
  table("tenders", [["Delivery", when], ["Side", side], ["Energy", (r) => energy(r.quantity_wh)],
    [per("Price"), (r) => price(r.price_per_kwh)], ["Filled", (r) => energy(r.filled_wh)], ["State", (r) => r.state]],
    day.tenders, "No tenders yet. The gateway offers before each gate closure when something is worth selling.");
  table("fills", [["Delivery", when], ["Side", side], ["Energy", (r) => energy(r.quantity_wh)],
    [per("Price"), (r) => price(r.price_per_kwh)], ["Money", (r) => paid(r.money)]], day.fills, "Nothing traded yet.");
  table("deliveries", [["Delivery", when], ["Sold", (r) => energy(r.sold_wh)], ["Metered", (r) => energy(r.metered_wh)],
    ["Reading", (r) => r.quality], ["Settled", (r) => r.money === null ? "not yet" : paid(r.money)]], day.deliveries, "Nothing delivered yet.");
  const time = (s) => hour(s, day.time_zone);
  table("why-table", [["From", (r) => time(r.since)], ["To", (r) => time(r.until)], ["Why", (r) => r.charger ? document.createTextNode(`${r.charger} ${t(r.sentence)}`) : r.sentence]],
    [...day.decisions, ...day.phases].sort((a, b) => b.since - a.since), "Nothing was decided yet today.");
  const hours = day.plan.time.map((t, i) => ({ t, i })).filter(({ t }) => t % 3600 === 0);
  const at = (name) => ({ i }) => day.plan[name][i];
  const watts = (name) => (row) => power(at(name)(row));
  const buying = (row) => {
    const estimate = at("import_estimate_per_kwh")(row);
    return estimate === null ? price(at("import_price_per_kwh")(row)) : `≈ ${price(estimate)}`;
  };
  table("plan-table", [["Hour", ({ t }) => dayTime(new Date(t * 1000).toISOString(), day.time_zone)], ["Solar", watts("pv_w")],
    ["Home", watts("load_w")], ["Battery", watts("battery_w")], ["Grid", watts("grid_w")],
    ["Charge", (r) => at("battery_soc_pct")(r) === null ? "–" : `${Math.round(at("battery_soc_pct")(r))} %`],
    [per("Buying"), buying], ...(day.exchange ? [[per("Market"), (r) => price(at("market_price_per_kwh")(r))]] : []),
    [per("Stored value"), (r) => price(at("stored_value_per_kwh")(r))]], hours, "There is no plan yet.");
  const steps = day.offer?.steps ?? [];
  const delivery = day.offer ? dayTime(day.offer.start, day.time_zone) : "";
  const buys = steps.some((s) => s.net_wh < 0);
  say(byId("offer-text"), !day.offer ? "No offer: trading is off, or there is no plan yet."
    : steps.length ? t(buys ? "For delivery at {time}: at each price, how much the home sells (below zero: buys)." : "For delivery at {time}: at each price, how much the home sells.", { time: delivery })
    : t("For delivery at {time} nothing is offered: at no likely price there is energy that is not worth more at home.", { time: delivery }));
  byId("chart-offer").hidden = byId("offer-details").hidden = !steps.length;
  table("offer-table", [[per("Price"), (s) => price(s.price_per_kwh)], ["Net energy", (s) => energy(s.net_wh)]], steps, "No steps.");
}

function startTabs() {
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const choose = (tab) => tabs.forEach((each) => {
    const chosen = each === tab;
    each.setAttribute("aria-selected", String(chosen));
    each.tabIndex = chosen ? 0 : -1;
    byId(each.getAttribute("aria-controls")).hidden = !chosen;
  });
  tabs.forEach((tab, i) => {
    tab.disabled = false;
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(i + step + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  });
}

function banner(text) {
  byId("banner").hidden = !text;
  byId("banner").textContent = t(text);
  document.body.classList.toggle("stale", Boolean(text));
}

function hear(kind, data) {
  if (kind === "closed") {
    closed();
    return;
  }
  lastNews = Date.now();
  if (kind === "live") {
    banner("");
    drawLive(JSON.parse(data));
  } else {
    const day = JSON.parse(data);
    drawTables(day);
    followPast(day);
    followCar(day, table);
    followPlan(day);
    why = (at) => say(byId("why"), reasonAt(day, at ?? day.now));
    why(null);
    drawDay(byId("chart-power"), byId("chart-price"), day, (at) => why(at));
    drawOffer(byId("chart-offer"), day);
  }
}

let why = () => {};
function reasonAt(day, at) {
  const found = day.decisions.findLast((d) => d.since <= at);
  if (!found || at > Math.max(found.until, found === day.decisions.at(-1) ? day.now : 0)) return "";
  return `${hour(Math.min(at, found.until), day.time_zone)}: ${t(found.sentence)}.`;
}

async function closed() {
  const answer = await fetch("api/live").catch(() => null);
  if (answer?.status === 401) location.assign("login");
  else setTimeout(listen, 3000);
}

let shared = null;
function listen() {
  if ("SharedWorker" in window) {
    if (shared === null) {
      shared = new SharedWorker("static/stream.js", { name: "energy gateway" }).port;
      shared.onmessage = ({ data: { kind, data } }) => hear(kind, data);
    }
    shared.postMessage("listen");
    return;
  }
  const stream = new EventSource("events");
  for (const kind of ["live", "day"]) stream.addEventListener(kind, (event) => hear(kind, event.data));
  stream.onerror = () => { if (stream.readyState === EventSource.CLOSED) closed(); };
}
addEventListener("pagehide", () => shared?.postMessage("bye"));
addEventListener("pageshow", (event) => { if (event.persisted) listen(); });

setInterval(() => {
  if (Date.now() - lastNews > QUIET_MS) banner("No news from the gateway. What you see is old; trying again.");
}, 2000);
lastNews = Date.now();
translatePage();
chooseLanguage(byId("language"));
startTabs();
startPast(table);
startWhatIf(table);
listen();
