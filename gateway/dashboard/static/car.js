// The car's sessions: asked for when the page opens, and again as the day goes on.
import { dayTime, kwh, node, price, show } from "./text.js";
import { amount, symbol } from "./words.js";

const byId = (id) => document.getElementById(id);
const AGAIN_S = 300;
let next = 0; // of the home, s

export async function followCar(day, table) {
  const there = !day.absent.includes("charger_w");
  byId("car").hidden = !there;
  if (!there || day.now < next) return;
  next = day.now + AGAIN_S;
  const answer = await fetch("api/car").catch(() => null);
  if (!answer?.ok) return; // the next news of the gateway asks again
  const car = await answer.json();
  const money = (cost) => amount(cost, car.currency);
  const tile = (title, value, unit = "") => node("div", {}, node("dt", {}, title), node("dd", {}, value, node("small", {}, unit)));
  const perKwh = car.cost === null || !car.energy_wh ? null : car.cost / car.energy_wh * 1000;
  show(byId("car-tiles"), car.sessions.length ? [tile("Charged", kwh(car.energy_wh)), tile("From the sun", `${car.sun_pct} %`),
    tile("Cost", money(car.cost)), tile("A kWh", price(perKwh), ` ${symbol(car.currency)}/kWh`)] : []);
  table("car-table", [["From", (s) => dayTime(s.start, car.time_zone)], ["To", (s) => dayTime(s.end, car.time_zone)], ["Energy", (s) => kwh(s.energy_wh)],
    ["Sun", (s) => `${s.sun_pct} %`], ["Battery", (s) => `${s.battery_pct} %`], ["Grid", (s) => `${s.grid_pct} %`], ["Cost", (s) => money(s.cost)]],
  car.sessions, "Nothing was charged yet.");
}
