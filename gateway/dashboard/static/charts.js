// Charts: measured and planned on one axis of time; the offer over the price.
/* global uPlot */
import { DAY, dayTime, hour, moment } from "./text.js";
import { locale, number, symbol, t } from "./words.js";
const charts = new Map(); // place -> { chart, like, held }: the chart, what it is made for, and its data
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const DASH = [6, 5];
const POWERS = [["pv_w", "Solar", "pv"], ["load_w", "Home", "load"], ["battery_w", "Battery", "battery"], ["grid_w", "Grid", "grid"], ["charger_w", "Car", "car"]];
const PRICES = [["import_price_per_kwh", "Buying", "grid"], ["export_price_per_kwh", "Selling", "load"],
  ["market_price_per_kwh", "Market", "market"], ["stored_value_per_kwh", "Stored value", "value"]];

// What is planned with: the price, and where nobody has published it yet, what stands in for it.
function planned(plan, name) {
  const known = plan[name] ?? new Array(plan.time.length).fill(null);
  const instead = plan[name.replace("_price_", "_estimate_")];
  return known.map((value, i) => value ?? instead?.[i] ?? null);
}

// One axis for both: the past, then the plan; each series is null where the other one holds.
function joined(day, names) {
  const past = day.past.time, plan = day.plan.time;
  const nulls = (n) => new Array(n).fill(null);
  const data = [[...past, ...plan]];
  for (const name of names) {
    data.push([...(day.past[name] ?? nulls(past.length)), ...nulls(plan.length)]);
    data.push([...nulls(past.length), ...planned(day.plan, name)]);
  }
  return data;
}

// Each quantity is two series, measured and planned; the legend shows one row for both.
function series(rows, scale, digits, unit) {
  const text = (v) => v === null || v === undefined ? "–" : `${number(v, digits)} ${unit}`;
  const value = (u, v, si, idx) => text(v ?? (idx === null || idx === undefined ? null : u.data[si + 1][idx]));
  // A plan and a price hold for a whole interval: steps. What is measured, and a charge, is a line.
  const paths = scale === "%" ? undefined : uPlot.paths.stepped({ align: 1 });
  return rows.map(([, title, color]) => [t(title), color]).flatMap(([label, color]) => [
    { label, scale, stroke: ink(color), width: 2, value, points: { show: false }, paths: scale === "price" ? paths : undefined },
    { label: t("{name}, planned", { name: label }), class: "planned", scale, stroke: ink(color), width: 2, dash: DASH, points: { show: false }, paths },
  ]);
}

// What is hidden in the legend is hidden with its plan.
const together = { hooks: { setSeries: [(u, si, options) => {
  if (si !== null && si % 2 === 1 && options?.show !== undefined && u.series[si + 1]?.show !== options.show) {
    u.setSeries(si + 1, { show: options.show });
  }
}] } };

// What decided, as a band below the powers; the eye finds the changes, the words stand below the chart.
const RULES = { price_rest: "soft", price_charge: "grid", price_discharge: "value", self_consumption: "load", delivery: "market" };
function reasons() {
  return { hooks: { draw: [(u) => {
    const height = 5 * devicePixelRatio;
    for (const { since, until, reason } of last.day.decisions) {
      const from = u.valToPos(since, "x", true), to = u.valToPos(until, "x", true);
      u.ctx.fillStyle = ink(RULES[reason] ?? "bad");
      u.ctx.fillRect(from, u.bbox.top + u.bbox.height - height, Math.max(1, to - from), height);
    }
  }] } };
}
// Tells where a person points, in seconds; null when they point nowhere.
const pointed = (tell) => ({ hooks: { setCursor: [(u) => tell(u.cursor.left < 0 ? null : u.posToVal(u.cursor.left, "x"))] } });

let now = 0; // of the home, s
function nowLine() {
  return { hooks: { draw: [(u) => {
    const x = Math.round(u.valToPos(now, "x", true));
    u.ctx.save();
    u.ctx.strokeStyle = ink("soft");
    u.ctx.setLineDash([3, 3]);
    u.ctx.beginPath();
    u.ctx.moveTo(x, u.bbox.top);
    u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
    u.ctx.stroke();
    u.ctx.restore();
  }] } };
}

function axis(scale, label, extra = {}) {
  const narrow = innerWidth < 500; // a phone has no room for the words beside the numbers
  return { scale, label: narrow || !label ? undefined : t(label), labelSize: 20, size: narrow ? 48 : 54, stroke: ink("soft"), grid: { stroke: ink("line"), width: 1 },
    ticks: { stroke: ink("line"), width: 1 }, font: narrow ? "11px system-ui" : "12px system-ui", labelFont: "12px system-ui", ...extra };
}

const dark = matchMedia("(prefers-color-scheme: dark)");

// A chart is made anew only where its frame changes; new data goes into the old one, with its zoom and what is hidden.
function draw(place, frame, options, data) {
  const width = Math.max(260, place.clientWidth);
  const like = JSON.stringify([frame, width, dark.matches]), held = JSON.stringify([data, now]);
  const known = charts.get(place);
  if (known?.like === like) {
    if (known.held === held) return;
    known.held = held;
    const { min, max } = known.chart.scales.x;
    const zoomed = known.all && (min !== known.all[0] || max !== known.all[1]);
    known.chart.setData(data, !zoomed);
    if (zoomed) known.chart.redraw();
    return;
  }
  known?.chart.destroy();
  const chart = new uPlot({ width, legend: { live: width > 700 }, ...options }, data, place);
  charts.set(place, { chart, like, held, all: frame.all });
}

// Hours as the reader's locale writes them, and below the first of each day which day it is.
const { hour12 } = new Intl.DateTimeFormat(locale, { hour: "numeric" }).resolvedOptions();
const hours = (zone) => (_, splits) => {
  const whole = hour12 && splits.every((at) => at % 3600 === 0);
  let before = "";
  return splits.map((at) => {
    const day = moment(at, zone, DAY), isNew = day !== before;
    before = day;
    return (whole ? moment(at, zone, { hour: "numeric" }) : hour(at, zone)) + (isNew ? `\n${day}` : "");
  });
};
const days = (zone, how) => (_, splits) => splits.map((at) => moment(at, zone, how));
const legend = (zone, how) => (_, at) => at === null || at === undefined ? "–" : how ? moment(at, zone, how) : dayTime(at, zone);

export function drawDay(powerPlace, pricePlace, day, tell) {
  last = { ...last, powerPlace, pricePlace, day, tell };
  now = day.now;
  const frame = { all: [day.start, day.end], zone: day.time_zone, currency: day.currency, exchange: day.exchange, absent: day.absent };
  const tzDate = (ts) => uPlot.tzDate(new Date(ts * 1000), day.time_zone);
  const common = {
    tzDate, cursor: { sync: { key: "day" }, drag: { x: true, y: false } }, plugins: [nowLine(), together], height: 270,
  };
  const x = { time: true, range: [day.start, day.end] };
  const time = axis("x", "", { values: hours(day.time_zone), space: 60, size: 44, label: undefined });
  const prices = PRICES.filter(([name]) => day.exchange || name !== "market_price_per_kwh");
  const shown = POWERS.filter(([name]) => !day.absent.includes(name));
  const powers = shown.map(([name]) => name);
  draw(powerPlace, frame, { ...common, plugins: [...common.plugins, reasons(), pointed(tell)],
    scales: { x, kW: {}, "%": { range: [0, 100] } },
    axes: [time, axis("kW", "kW", { values: (_, v) => v.map((w) => number(w / 1000, 1, 0)) }), axis("%", "charge %", { side: 1, grid: { show: false } })],
    series: [{ label: t("Time"), value: legend(day.time_zone) }, ...series(shown, "kW", 0, "W"), ...series([["", "Charge", "soc"]], "%", 0, "%")],
  }, joined(day, [...powers, "battery_soc_pct"]));
  draw(pricePlace, frame, { ...common,
    scales: { x, price: {} },
    axes: [time, axis("price", `${symbol(day.currency)}/kWh`, { values: (_, v) => v.map((p) => number(p, 3, 0)) }), axis("price", " ", { side: 1, grid: { show: false }, ticks: { show: false }, values: (_, v) => v.map(() => "") })],
    series: [{ label: t("Time"), value: legend(day.time_zone) }, ...series(prices, "price", 3, "")],
  }, joined(day, prices.map(([name]) => name)));
}

export function drawOffer(place, day) {
  const steps = day.offer?.steps ?? [];
  if (!steps.length) { charts.get(place)?.chart.destroy(); charts.delete(place); return; }
  const prices = steps.map((s) => s.price_per_kwh);
  const room = Math.max(0.01, (prices.at(-1) - prices[0]) * 0.15);
  const data = [[...prices, prices.at(-1) + room], [...steps.map((s) => s.net_wh), steps.at(-1).net_wh]];
  draw(place, { currency: day.currency }, { height: 210, cursor: { drag: { x: false, y: false } },
    scales: { x: { time: false }, wh: {} },
    axes: [axis("x", t("price {unit}", { unit: `${symbol(day.currency)}/kWh` }), { size: 40, values: (_, v) => v.map((p) => number(p, 3, 0)) }), axis("wh", "net Wh", { values: (_, v) => v.map((wh) => number(wh)) })],
    series: [{ label: t("Price"), value: (_, v) => v === null ? "–" : number(v, 3) },
      { label: t("Sells"), scale: "wh", stroke: ink("value"), fill: `${ink("value")}22`, width: 2, points: { show: false },
        paths: uPlot.paths.stepped({ align: 1 }), value: (_, v) => v === null ? "–" : `${number(v)} Wh` }],
  }, data);
  last.offerPlace = place;
}

let last = {};
function again() {
  if (last.past) drawPast(...last.past);
  if (!last.day) return;
  drawDay(last.powerPlace, last.pricePlace, last.day, last.tell);
  if (last.offerPlace) drawOffer(last.offerPlace, last.day);
}
let resizing;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(again, 150); });
dark.addEventListener("change", again);

const PAST = { pv_wh: "pv", load_wh: "load", import_wh: "grid", export_wh: "market", charge_wh: "battery", discharge_wh: "value", charger_wh: "car" };
const FIRST = new Set(["pv_wh", "load_wh", "import_wh", "export_wh"]); // the others are shown on a click in the legend
const AXIS = { week: DAY, month: { day: "numeric" }, year: { month: "short" } };
const POINTED = { week: { ...DAY, month: "short" }, month: { ...DAY, month: "short" }, year: { month: "long" } };

// What stands beside it, part by part, as far as it goes.
export function other(past, name) {
  const column = past.compared?.columns[name] ?? [], times = past.compared?.columns.time ?? past.time;
  if (past.period === "day" && times.length !== past.time.length) { // a clock change in one of the two: by the clock, not by the count
    const clock = (at) => hour(at, past.time_zone);
    const known = new Map(times.map((at, i) => [clock(at), column[i]]));
    return past.time.map((at) => known.get(clock(at)) ?? null);
  }
  return past.time.map((_, i) => column[i] ?? null);
}

// Energy a part of the period, as steps: each holds until the next begins.
export function drawPast(place, past, names) {
  const text = (_, v) => v === null || v === undefined ? "–" : `${number(v / 1000, 2)} kWh`;
  draw(place, { all: [past.start, past.end], zone: past.time_zone, period: past.period, names }, {
    height: 240, cursor: { drag: { x: true, y: false } }, tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), past.time_zone),
    scales: { x: { time: true, range: [past.start, past.end] }, kWh: { range: (_, __, most) => [0, Math.max(most ?? 0, 100) * 1.05] } },
    axes: [axis("x", "", { values: past.period === "day" ? hours(past.time_zone) : days(past.time_zone, AXIS[past.period]), space: past.period === "month" ? 50 : 60, size: 44, label: undefined }), axis("kWh", "kWh", { values: (_, v) => v.map((wh) => number(wh / 1000, 2, 0)) })],
    series: [{ label: t("Time"), value: legend(past.time_zone, POINTED[past.period]) },
      ...names.flatMap(([name, label]) => [
        { label: t(label), scale: "kWh", show: FIRST.has(name), stroke: ink(PAST[name]), fill: `${ink(PAST[name])}1c`, width: 2, points: { show: false },
          paths: uPlot.paths.stepped({ align: 1 }), value: text },
        { label: t("{name}, planned", { name: t(label) }), class: "planned", scale: "kWh", show: FIRST.has(name), stroke: ink(PAST[name]), width: 1.5, dash: DASH,
          points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }), value: text }])],
    plugins: [together],
  }, [[...past.time, past.end], ...names.flatMap(([name]) => [past[name], other(past, name)].map((column) => [...column, column.at(-1)]))]);
  last.past = [place, past, names];
}
