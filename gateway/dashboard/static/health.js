// The home's health: alarms with what to do, how each device answers, what happened. Asked for when something has changed, and each minute.
import { dayTime, node, say, show } from "./text.js";
import { number, t } from "./words.js";

const byId = (id) => document.getElementById(id);
const AGAIN_MS = 60_000; // of the home
let drawn = "", next = 0;

export async function followHealth(live, table) {
  const now = Date.parse(live.time);
  const state = JSON.stringify([live.notes, live.links, live.devices.map((d) => [d.online, d.asleep])]);
  if (state === drawn && now < next) return;
  drawn = state;
  next = now + AGAIN_MS;
  const answer = await fetch("api/health").catch(() => null);
  if (!answer?.ok) { drawn = ""; return; } // the next news of the gateway asks again
  draw(await answer.json(), table);
}

function draw(health, table) {
  const when = (time) => time ? dayTime(time, health.time_zone) : t("never seen");
  const lost = health.devices.filter((d) => d.lost).map((d) => node("li", {}, node("b", {}, t("{name} does not answer since {time}", { name: d.name, time: when(d.seen) })),
    ...(d.fault ? [node("p", {}, d.fault)] : []), node("p", {}, d.todo)));
  const alarms = health.alarms.map((a) => node("li", {}, node("b", {}, a), node("p", {}, a.todo)));
  const all = [...alarms, ...lost];
  show(byId("alarms"), all.length ? all : [node("li", { class: "well" }, health.devices.length ? "All is well." : "Nothing is measured yet.")]);
  const share = (d) => d.asked ? `${number(100 * d.good / d.asked, 1, 0)} %` : "–";
  const name = (text) => document.createTextNode(text || "–");
  table("well-table", [["Device", (d) => name(d.name)], ["Answered in the last hour", share], ["Last answer", (d) => when(d.seen)],
    ["Model", (d) => name(d.model)], ["Firmware", (d) => name(d.firmware)], ["Datasheet", (d) => name(d.sheet)]], health.devices, "No devices yet.");
  table("events-table", [["When", (e) => when(e.time)], ["What", told]], health.events, "Nothing has happened yet.");
  const { gateway, python, system } = health.versions;
  say(byId("versions"), t("Gateway {gateway}, Python {python}, {system}.", { gateway, python, system }));
  byId("report").hidden = byId("what-if").hidden = !health.report;
}

const SENTENCES = { started: "the gateway started", back: "{what} is back", alarm: "Alarm: {text}", ended: "Over: {text}" };
const LINKS = ["Broker", "Exchange"]; // what else has a name has it from its owner
function told({ kind, what, text, said }) {
  const values = { what: LINKS.includes(what) ? t(what) : what, text: t(said ?? text) };
  return document.createTextNode(t(kind !== "lost" ? SENTENCES[kind] : text ? "{what} is lost: {text}" : "{what} is lost", values));
}
