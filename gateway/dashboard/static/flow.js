// The live power flow: four places around the home, a stream on each wire that carries power.
import { power, show } from "./text.js";
import { t } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const HOME = [260, 170];
const PLACES = [
  { key: "pv_w", cls: "pv", name: "Solar", at: [260, 48] },
  { key: "grid_w", cls: "grid", name: "Grid", at: [62, 170] },
  { key: "battery_w", cls: "battery", name: "Battery", at: [458, 170] },
  { key: "charger_w", cls: "car", name: "Car", at: [260, 292] },
];
const R = 44;
const IDLE_W = 20; // less than this is drawn as still

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = t(text);
  return made;
}

function place(cls, [x, y], name, value, extra = "") {
  const group = shape("g", { class: "node" });
  const up = extra ? 12 : 4;
  group.append(
    shape("circle", { cx: x, cy: y, r: cls === "load" ? 50 : R, class: cls }),
    shape("text", { x, y: y + 4 - up, class: "name" }, name),
    shape("text", { x, y: y + 23 - up }, value),
  );
  if (extra) group.append(shape("text", { x, y: y + 28, class: "name" }, extra));
  return group;
}

function level([x, y], percent, cls) {
  const r = R, turn = Math.max(0.001, Math.min(0.999, percent / 100)) * 2 * Math.PI;
  const [ex, ey] = [x + r * Math.sin(turn), y - r * Math.cos(turn)];
  return shape("path", { class: `level ${cls}`, d: `M${x} ${y - r} A${r} ${r} 0 ${turn > Math.PI ? 1 : 0} 1 ${ex.toFixed(1)} ${ey.toFixed(1)}` });
}

export function drawFlow(svg, live) {
  const parts = [];
  const places = PLACES.filter(({ key }) => !live.absent.includes(key));
  for (const { key, cls, at } of places) {
    const watts = live.power[key];
    const line = `M${at[0]} ${at[1]} L${HOME[0]} ${HOME[1]}`;
    parts.push(shape("path", { class: "wire", d: line }));
    if (watts !== null && Math.abs(watts) > IDLE_W) {
      const out = key === "charger_w" ? watts > 0 : watts < 0;
      parts.push(shape("path", { class: `stream ${cls}${out ? " back" : ""}`, d: line }));
    }
  }
  for (const { key, cls, name, at } of places) {
    const watts = live.power[key];
    const pct = { battery_w: live.soc_pct, charger_w: live.car_soc_pct }[key] ?? null;
    parts.push(place(cls, at, name, power(watts === null ? null : Math.abs(watts)), pct === null ? "" : `${Math.round(pct)} %`));
    if (pct !== null) parts.push(level(at, pct, cls));
  }
  parts.push(place("load", HOME, "Home", power(live.power.load_w)));
  show(svg, parts);
}
