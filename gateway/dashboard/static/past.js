// The past by day, week, month or year: asked for when it is looked at, and again as the day goes on.
import { drawPast } from "./charts.js";
import { DAY, TIME, moment, node, say, show, energy, kwh } from "./text.js";
import { t } from "./words.js";

const byId = (id) => document.getElementById(id);
const PARTS = [["pv_wh", "Solar"], ["load_wh", "Used"], ["import_wh", "Bought"], ["export_wh", "Sold"],
  ["charge_wh", "Charged"], ["discharge_wh", "Given by the battery"], ["charger_wh", "Car"]];
const NAMES = { day: { dateStyle: "full" }, week: { dateStyle: "long" }, month: { year: "numeric", month: "long" }, year: { year: "numeric" } };
const STEPS = { day: TIME, week: DAY, month: DAY, year: { month: "long" } };
const AGAIN_S = 300; // while the period has not ended

const PLANS = ["day", "hour"]; // kept of a day alone
let beside = "before", period = "day", day = "", shown = null, asked = 0, table;

async function get(query) {
  const answer = await fetch(`api/past?${query}`).catch(() => null);
  return answer?.ok ? answer.json() : null; // the next news of the gateway asks again
}

async function ask() {
  const mine = ++asked;
  const query = `period=${period}${day ? `&day=${day}` : ""}`;
  const at = now, found = await get(query);
  if (!found || mine !== asked) return;
  seen = at;
  if (found.start <= now && now < found.end) day = ""; // the present goes on, over midnight too
  const other = beside === "year" ? `${Number(found.first.slice(0, 4)) - 1}${found.first.slice(4).replace("02-29", "02-28")}` : found.previous;
  const compared = beside in found.planned ? { columns: found.planned[beside], total: sums(found.planned[beside]) }
    : PLANS.includes(beside) ? null : await get(`period=${period}&day=${other}`).then((past) => past && { columns: past, total: past.total });
  if (mine !== asked) return;
  shown = { ...found, compared };
  byId("past-csv").href = `api/past.csv?${query}`;
  draw();
}

// Of a plan: what it said of the quarter-hours that it knew.
function sums(columns) {
  const sum = (values) => values.some((v) => v !== null) ? values.reduce((all, v) => all + (v ?? 0), 0) : null;
  const total = Object.fromEntries(PARTS.map(([name]) => [name, sum(columns[name])]));
  const own = total.load_wh ? Math.round(100 * Math.max(0, 1 - total.import_wh / total.load_wh)) : null;
  return { ...total, self_sufficiency_pct: own };
}

function draw() {
  const local = (seconds, how) => moment(seconds, shown.time_zone, how);
  const name = local(shown.start, NAMES[period]);
  say(byId("past-name"), period === "week" ? t("Week from {day}", { day: name }) : name);
  byId("past-next").disabled = shown.end > now;
  const had = PARTS.filter(([name]) => shown.total[name] !== null);
  const tile = (title, value, before) => node("div", {}, node("dt", {}, title), node("dd", {}, value, node("small", {}, before === undefined ? "" : t(PLANS.includes(beside) ? " planned: {value}" : beside === "year" ? " a year earlier: {value}" : " before: {value}", { value: before }))));
  const percent = (value) => value === null ? "–" : `${value} %`;
  const other = (name, how) => shown.compared ? how(shown.compared.total[name]) : undefined;
  show(byId("past-tiles"), [
    ...had.map(([name, title]) => tile(title, kwh(shown.total[name]), other(name, kwh))),
    tile("Self-sufficiency", percent(shown.total.self_sufficiency_pct), other("self_sufficiency_pct", percent)),
  ]);
  drawPast(byId("chart-past"), shown, had.map(([name, title]) => [name, title]));
  const rows = shown.time.map((at, i) => ({ at, i })).filter(({ i }) => had.some(([name]) => shown[name][i] !== null));
  table("past-table", [["From", ({ at }) => local(at, STEPS[period])], ...had.map(([name, title]) => [title, ({ i }) => (period === "day" ? energy : kwh)(shown[name][i])])],
    rows, "Nothing was recorded in this period.");
}

let now = 0, next = 0, seen = 0; // of the home, s; when what is shown was asked for
export function followPast(news) {
  now = news.now;
  const ended = shown && shown.end <= now; // asked for once more, whole; or what follows it, where it was the present
  if (shown && (ended ? seen >= shown.end : now < next)) return;
  next = now + AGAIN_S;
  ask();
}

export function startPast(drawTable) {
  table = drawTable;
  const buttons = [...document.querySelectorAll("[data-period]")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      period = button.dataset.period;
      for (const option of byId("past-beside").options) option.disabled = Boolean(option.dataset.of) && option.dataset.of !== period;
      if (byId("past-beside").selectedOptions[0].disabled) byId("past-beside").value = beside = "before";
      for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
      ask();
    });
  }
  byId("past-beside").addEventListener("change", (event) => { beside = event.target.value; ask(); });
  byId("past-previous").addEventListener("click", () => { day = shown?.previous ?? ""; ask(); });
  byId("past-next").addEventListener("click", () => { day = shown?.next ?? ""; ask(); });
  byId("past-choice").disabled = false; // before this a click would be lost
}
