// The set-up: searches, asks, shows what follows, writes. What is asked and what is right comes from the gateway.
/* global uPlot */
import { node, say, show } from "./text.js";
import { amount, number as count, t, translatePage } from "./words.js";

const byId = (id) => document.getElementById(id);
const fields = new Map(); // key of a question -> { box, input, fault }
const TITLES = { pv_power_w: "Solar", battery_power_w: "Battery", battery_soc_pct: "Charge", battery_capacity_wh: "Capacity", grid_power_w: "Grid",
  charger_power_w: "Car", charger_state: "Charger" };
const ROLES = [["", "what it says"], ["grid", "grid connection"], ["submeter", "a part of the home"], ["pv", "solar"], ["battery", "battery"], ["charger", "charger"]];

async function ask(path, body) {
  const how = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  try {
    const answer = await fetch(path, how);
    if (answer.status === 401) return { fault: "This browser has no token any more: start the gateway again." };
    return await answer.json();
  } catch {
    return { fault: "The gateway does not answer." };
  }
}

function makeForm({ groups, questions }) {
  const sections = Object.entries(groups).map(([group, title]) => {
    const box = node("div", { class: "fields" });
    const heading = node("h2", { id: `group-${group}` });
    return { group, box, section: node("section", { class: "card", "aria-labelledby": `group-${group}`, "data-group": group, "data-title": t(title) }, heading, box) };
  });
  for (const question of questions) {
    const box = sections.find(({ group }) => group === question.group).box;
    const id = `q-${question.key}`;
    const named = { id, name: question.key, "aria-describedby": `${id}-about ${id}-fault` };
    const input = question.form === "choice" ? node("select", named, ...question.choices.map(([value, text]) => node("option", { value }, text)))
      : question.form === "lines" ? node("textarea", { ...named, spellcheck: "false" })
      : node("input", { ...named, type: question.form === "secret" ? "password" : "text", autocomplete: question.form === "secret" ? "new-password" : "off", spellcheck: "false" });
    input.value = question.value;
    const fault = node("span", { class: "fault", id: `${id}-fault` });
    const about = node("p", { class: "about", id: `${id}-about` }, question.about);
    const field = node("div", {}, node("label", { for: id }, question.text), input, about, fault);
    fields.set(question.key, { box: field, input, fault, about });
    box.append(field);
  }
  const extra = (group, ...made) => sections.find((each) => each.group === group).section.append(...made);
  extra("tariff", node("p", {}, node("button", { type: "button", id: "show-prices", class: "quiet" }, "Show tomorrow’s prices")),
    node("div", { id: "prices", class: "chart small", role: "img", "aria-label": "Prices of tomorrow", hidden: "hidden" }), node("p", { id: "prices-say", class: "hint", role: "status" }));
  extra("broker", node("p", {}, node("button", { type: "button", id: "try-broker", class: "quiet" }, "Try the broker"), node("output", { id: "broker-says" })));
  byId("answers").append(...sections.map(({ section }) => section));
  byId("answers").addEventListener("input", later);
  byId("answers").addEventListener("submit", (event) => event.preventDefault());
  byId("show-prices").addEventListener("click", showPrices);
  byId("try-broker").addEventListener("click", tryBroker);
}

const answers = () => Object.fromEntries([...fields].map(([key, { input }]) => [key, input.value]));

// What is wrong with answers comes a line each, the question before it.
function faults(fault) {
  const text = fault.say === "{text}" ? fault.values.text : fault;
  if (typeof text !== "string") return t(text);
  return text.split("\n").map((line) => line.split(": ")).map(([question, ...why]) => why.length ? `${t(question)}: ${t(why.join(": "))}` : t(question)).join("; ");
}

let waiting, checked = 0;
function later() {
  clearTimeout(waiting);
  waiting = setTimeout(check, 250);
}

async function check() {
  const mine = ++checked;
  const found = await ask("api/check", answers());
  if (mine !== checked || found.asked === undefined) return;
  for (const [key, field] of fields) {
    field.box.hidden = !found.asked.includes(key);
    say(field.fault, found.faults[key] ?? "");
    field.input.setAttribute("aria-invalid", String(key in found.faults));
  }
  let number = 1; // of the section on devices; those that are not asked have none
  for (const section of document.querySelectorAll("section[data-group]")) {
    section.hidden = !section.querySelector(".fields > div:not([hidden])");
    if (!section.hidden) say(section.querySelector("h2"), `${++number}. ${section.dataset.title}`);
  }
  byId("write").disabled = !found.text;
  say(byId("text"), found.text);
  byId("file").hidden = !found.text;
  const open = found.fault.split("\n").map((line) => t(line.split(": ")[0])).join(", ");
  say(byId("left"), found.text ? "All is answered." : t("Still open: {what}.", { what: open }));
}

const number = (value, unit) => value === null ? "–" : typeof value !== "number" ? t(String(value))
  : ["W", "Wh"].includes(unit) && Math.abs(value) >= 995 ? `${count(value / 1000, 1)} k${unit}` : `${count(value, 1, 0)} ${unit}`;

let parts = "", searched = false, refused = "";
async function look() {
  const news = await ask("api/found");
  if (news.devices === undefined) {
    say(byId("search-says"), news.fault);
    return;
  }
  byId("bar").hidden = !news.busy;
  byId("bar").value = news.of ? news.done / news.of : 0;
  say(byId("search-says"), refused || (news.busy ? "Searching … devices appear as they answer." : searched && !news.devices.length ? "Nothing was found." : ""));
  show(byId("problems"), news.problems.map((text) => node("li", {}, text)));
  show(byId("found"), news.devices.map(device));
  const capacity = fields.get("battery_capacity");
  if (news.capacity_wh) {
    capacity.input.placeholder = `${count(news.capacity_wh / 1000, 1)} kWh`;
    say(capacity.about, t("empty: the device’s own figure, {capacity}", { capacity: `${count(news.capacity_wh / 1000, 1)} kWh` }));
  }
  const now = JSON.stringify(news.devices.map((d) => [d.key, d.wanted, d.role, d.readings.map((r) => r.metric)]));
  if (now !== parts) { parts = now; check(); }
}

function device(d) {
  const id = `device-${d.key}`;
  const live = d.readings.filter((r) => r.value !== null).map((r) => `${t(TITLES[r.metric])} ${number(r.value, r.unit)}`).join(" · ");
  return node("div", { "data-key": d.key },
    node("input", { type: "checkbox", id, ...(d.wanted ? { checked: "checked" } : {}) }),
    node("label", { for: id }, `${d.name}: ${d.says || d.profile}`),
    node("select", { "aria-label": t("What {name} stands for", d) }, ...ROLES.map(([value, text]) => node("option", { value, ...(value === d.role ? { selected: "selected" } : {}) }, text))),
    node("p", { class: "live" }, live || d.fault || "reading …"),
    node("p", {}, `${d.profile} · ${d.key}`));
}

byId("found").addEventListener("change", async ({ target }) => {
  const box = target.closest("[data-key]");
  await ask("api/device", { key: box.dataset.key, wanted: box.querySelector("input").checked, role: box.querySelector("select").value });
  look();
});

byId("search").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { fault } = await ask("api/search", { where: byId("where").value });
  refused = fault ?? ""; // it stands until the next search
  searched = !refused;
  byId("bar").hidden = !searched;
  say(byId("search-says"), refused || "Searching …");
});

byId("by-hand").addEventListener("submit", async (event) => {
  event.preventDefault();
  const value = (id) => byId(id).value.trim();
  const { fault } = await ask("api/device", { host: value("hand-host"), profile: value("hand-profile"), port: value("hand-port"), unit: value("hand-unit") });
  say(byId("hand-says"), fault ?? "");
  look();
});

let chart = null;
async function showPrices() {
  say(byId("prices-say"), "Asking …");
  const news = await ask("api/prices", answers());
  byId("prices").hidden = news.fault !== undefined;
  if (news.fault !== undefined) { say(byId("prices-say"), faults(news.fault)); return; }
  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const known = news.import_price_per_kwh.filter((price) => price !== null);
  say(byId("prices-say"), [known.length ? t("Tomorrow a kWh costs {low} to {high}.", { low: amount(Math.min(...known), news.currency), high: amount(Math.max(...known), news.currency) })
    : t("Nobody has published tomorrow’s prices yet."), ...news.says.map((text) => t(text))].join(" "));
  chart?.destroy();
  const axis = { stroke: ink("soft"), grid: { stroke: ink("line"), width: 1 }, ticks: { stroke: ink("line"), width: 1 }, font: "12px system-ui" };
  chart = new uPlot({ width: Math.max(260, byId("prices").clientWidth), height: 170, legend: { show: false }, cursor: { show: false },
    tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), news.time_zone), scales: { x: {}, price: { range: (_, low, high) => [Math.min(0, low), (high || 0.1) * 1.1] } },
    axes: [{ ...axis, values: [[3600, "{HH}:{mm}", null, null, null, null, null, null, 1]] }, { ...axis, scale: "price", size: 54 }],
    series: [{}, { scale: "price", stroke: ink("grid"), width: 2, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) }],
  }, [news.time, news.import_price_per_kwh], byId("prices"));
}

async function tryBroker() {
  say(byId("broker-says"), "Asking …");
  const { fault } = await ask("api/broker", answers());
  byId("broker-says").className = fault ? "no" : "ok";
  say(byId("broker-says"), fault || "It takes us.");
}

byId("write").addEventListener("click", async () => {
  byId("write").disabled = true;
  say(byId("written"), "Writing …");
  const { fault, port } = await ask("api/write", answers());
  if (fault !== undefined) {
    byId("write").disabled = false;
    say(byId("written"), fault);
    return;
  }
  clearInterval(looking);
  say(byId("written"), "Written. The gateway starts; this page follows.");
  const home = `${location.protocol}//${location.hostname}:${port || location.port}/`;
  setInterval(async () => {
    const there = await fetch(home, { mode: "no-cors" }).catch(() => null);
    if (there) location.assign(home);
  }, 700);
});

// What is asked. Until it is known nothing can be typed or clicked: it would be lost.
async function questions() {
  for (;;) {
    const setup = await ask(`api/setup?zone=${encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone)}`);
    if (setup.questions) return setup;
    say(byId("search-says"), setup.fault);
    await new Promise((again) => setTimeout(again, 2000));
  }
}

translatePage();
const setup = await questions();
makeForm(setup);
byId("where").value = setup.network;
byId("profiles").append(...setup.profiles.map((key) => node("option", { value: key })));
byId("devices").disabled = false;
const looking = setInterval(look, 1000);
check();
look();
