// Steering: one row a command; the answer comes after the device was read back.
import { node } from "./text.js";

const TITLES = {
  backup_reserve_pct: "Backup reserve", battery: "Battery", export_limit_w: "Export limit", charge_now: "Charge the car now",
  departure: "The car leaves", trading: "Trading", price_floor: "Price floor",
};
const rows = new Map(); // name -> what updates it
let gatewayTime = "";

export function drawCommands(place, live) {
  gatewayTime = live.time;
  for (const command of live.commands) {
    if (!rows.has(command.name)) {
      const row = makeRow(command, live.currency);
      rows.set(command.name, row);
      place.append(row.box);
    }
    rows.get(command.name).update(command.value);
  }
  const here = new Set(live.commands.map((command) => command.name));
  for (const [name, row] of rows) row.box.hidden = !here.has(name); // a part that this home does not have
}

function makeRow(command, currency) {
  const id = `command-${command.name}`;
  const output = node("output", { "aria-live": "polite", id: `${id}-answer` });
  const form = node("form", { id });
  const title = TITLES[command.name] ?? command.name;
  const box = node("div", { class: "command" },
    node("div", {}, node("h3", { id: `${id}-title` }, title), node("p", { id: `${id}-about` }, command.about)), form, output);
  const unit = command.unit.replace("currency", currency);
  const { fields, read, write } = CONTROLS[command.form](command, id, unit);
  form.append(...fields);
  // Marked, not disabled: a disabled control would lose the keyboard's focus.
  const busy = (is) => form.setAttribute("aria-busy", String(is));
  const ask = async (value) => {
    if (form.getAttribute("aria-busy") === "true") return;
    output.className = "";
    output.textContent = "Asking the devices …";
    busy(true);
    const answer = await send(command.name, value);
    busy(false);
    output.className = answer.status === "ok" ? "ok" : "no";
    output.textContent = answer.status === "ok" ? "Done." : answer.message || answer.status;
    dirty = false;
  };
  let dirty = false;
  form.addEventListener("input", () => { dirty = true; });
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(read()); });
  form.querySelector('[role="switch"]')?.addEventListener("click", (event) => {
    event.preventDefault();
    ask(event.currentTarget.getAttribute("aria-checked") !== "true");
  });
  // What a person is typing is not overwritten by what holds now.
  return { box, update: (value) => { if (!dirty && !form.contains(document.activeElement) || command.form === "switch") write(value); } };
}

const apply = (title) => node("button", { type: "submit", "aria-label": `Apply: ${title}` }, "Apply");

const CONTROLS = {
  switch(command, id) {
    const button = node("button", { type: "button", role: "switch", "aria-checked": "false", "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-about` });
    return { fields: [button], read: () => null, write: (value) => button.setAttribute("aria-checked", String(value === true)) };
  },
  number(command, id, unit) {
    const input = node("input", { type: "number", required: "required", min: command.least, max: command.most, step: "any",
      "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-about`, inputmode: "decimal" });
    return { fields: [node("label", {}, input, unit), apply(TITLES[command.name] ?? command.name)],
      read: () => Number(input.value), write: (value) => { input.value = value ?? ""; input.placeholder = value === null ? "none" : ""; } };
  },
  choice(command, id) {
    const select = node("select", { "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-about` },
      ...command.choices.map((choice) => node("option", { value: choice }, choice)));
    return { fields: [select, apply(TITLES[command.name] ?? command.name)],
      read: () => select.value, write: (value) => { select.value = value ?? command.choices[0]; } };
  },
  departure(command) {
    const time = node("input", { type: "time", required: "required" });
    const energy = node("input", { type: "number", required: "required", min: 0, max: 200, step: "0.1", inputmode: "decimal" });
    return { fields: [node("label", {}, "at", time), node("label", {}, "with", energy, "kWh more"), apply(TITLES[command.name])],
      read: () => ({ time: time.value, energy_wh: Math.round(Number(energy.value) * 1000) }),
      write: (value) => { time.value = value?.time ?? ""; energy.value = value?.energy_wh == null ? "" : value.energy_wh / 1000; } };
  },
};

async function send(name, value) {
  const id = `page-${Date.now()}-${Math.random().toString(36).slice(2, 8)}`;
  try {
    const answer = await fetch(`/api/command/${name}`, {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ id, ts: gatewayTime, ttl_s: 60, value }),
    });
    if (answer.status === 401) location.assign("/login");
    return await answer.json();
  } catch {
    return { status: "error", message: "The gateway does not answer. Nothing was changed, as far as we know." };
  }
}
