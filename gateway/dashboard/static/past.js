// The past by day, week, month or year: asked for when it is looked at, and again as the day goes on.
import { drawPast } from "./charts.js";
import { node, say, show, energy } from "./text.js";
import { locale, t } from "./words.js";

const byId = (id) => document.getElementById(id);
const PARTS = [["pv_wh", "Solar"], ["load_wh", "Used"], ["import_wh", "Bought"], ["export_wh", "Sold"],
  ["charge_wh", "Charged"], ["discharge_wh", "Given by the battery"], ["charger_wh", "Car"]];
const NAMES = { day: { dateStyle: "full" }, week: { dateStyle: "long" }, month: { year: "numeric", month: "long" }, year: { year: "numeric" } };
const STEPS = { day: { hour: "2-digit", minute: "2-digit" }, week: { weekday: "short", day: "numeric" }, month: { weekday: "short", day: "numeric" }, year: { month: "long" } };
const AGAIN_S = 300; // while the period has not ended

let period = "day", day = "", shown = null, asked = 0, table;

async function ask() {
  const mine = ++asked;
  const query = `period=${period}${day ? `&day=${day}` : ""}`;
  const answer = await fetch(`/api/past?${query}`).catch(() => null);
  if (!answer?.ok || mine !== asked) return; // the next news of the gateway asks again
  shown = await answer.json();
  byId("past-csv").href = `/api/past.csv?${query}`;
  draw();
}

function draw() {
  const local = (seconds, how) => new Date(seconds * 1000).toLocaleString(locale, { ...how, timeZone: shown.time_zone });
  const name = local(shown.start, NAMES[period]);
  say(byId("past-name"), period === "week" ? t("Week from {day}", { day: name }) : name);
  byId("past-next").disabled = shown.end > now;
  const had = PARTS.filter(([name]) => shown.total[name] !== null);
  const tile = (title, value, before) => node("div", {}, node("dt", {}, title), node("dd", {}, value, node("small", {}, t(" before: {value}", { value: before }))));
  const percent = (value) => value === null ? "–" : `${value} %`;
  show(byId("past-tiles"), [
    ...had.map(([name, title]) => tile(title, energy(shown.total[name]), energy(shown.before[name]))),
    tile("Not from the grid", percent(shown.total.self_sufficiency_pct), percent(shown.before.self_sufficiency_pct)),
  ]);
  drawPast(byId("chart-past"), shown, had.map(([name, title]) => [name, title]));
  const rows = shown.time.map((at, i) => ({ at, i })).filter(({ i }) => had.some(([name]) => shown[name][i] !== null));
  table("past-table", [["From", ({ at }) => local(at, STEPS[period])], ...had.map(([name, title]) => [title, ({ i }) => energy(shown[name][i])])],
    rows, "Nothing was recorded in this period.");
}

let now = 0, next = 0; // of the home, s
export function followPast(news) {
  now = news.now;
  if (shown && (shown.end < now || now < next)) return;
  next = now + AGAIN_S;
  ask();
}

export function startPast(drawTable) {
  table = drawTable;
  const buttons = [...document.querySelectorAll("[data-period]")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      period = button.dataset.period;
      for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
      ask();
    });
  }
  byId("past-previous").addEventListener("click", () => { day = shown?.previous ?? ""; ask(); });
  byId("past-next").addEventListener("click", () => { day = shown?.next ?? ""; ask(); });
}
