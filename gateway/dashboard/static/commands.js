// Steering: one row a command; the answer comes after the device was read back.
import { node } from "./text.js";

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
    rows.get(command.name).update(command.fields);
  }
  const here = new Set(live.commands.map((command) => command.name));
  for (const [name, row] of rows) row.box.hidden = !here.has(name); // a part that this home does not have
}

function makeRow(command, currency) {
  const id = `command-${command.name}`;
  const output = node("output", { "aria-live": "polite", id: `${id}-answer` });
  const form = node("form", { id });
  const box = node("div", { class: "command" },
    node("div", {}, node("h3", { id: `${id}-title` }, command.title), node("p", { id: `${id}-about` }, command.about.replaceAll("null = ", "empty = "))), form, output);
  const bundled = command.fields.length > 1;
  const controls = command.fields.map((field) => {
    // A control that stands alone is named by the heading, one of several by its own title.
    const name = bundled ? { "aria-label": field.title } : { "aria-labelledby": `${id}-title` };
    return { key: field.key, ...CONTROLS[field.form](field, { ...name, "aria-describedby": `${id}-about` }, currency) };
  });
  const read = () => bundled ? Object.fromEntries(controls.map((c) => [c.key, c.read()])) : controls[0].read();
  const isSwitch = !bundled && command.fields[0].form === "switch";
  form.append(...controls.map((c) => c.element));
  if (!isSwitch) form.append(node("button", { type: "submit", "aria-label": `Apply: ${command.title}` }, "Apply"));
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
  if (isSwitch) {
    form.addEventListener("click", (event) => { event.preventDefault(); ask(!controls[0].read()); });
  }
  // What a person is typing is not overwritten by what holds now.
  return { box, update: (fields) => {
    if (isSwitch || !dirty && !form.contains(document.activeElement)) controls.forEach((c, i) => c.write(fields[i].value));
  } };
}

// One control a kind of setting: what is drawn, how it is read and written.
const CONTROLS = {
  switch(field, named) {
    const button = node("button", { type: "button", role: "switch", "aria-checked": "false", ...named });
    return { element: button, read: () => button.getAttribute("aria-checked") === "true",
      write: (value) => button.setAttribute("aria-checked", String(value === true)) };
  },
  number(field, named, currency) {
    const [unit, scale] = field.unit === "Wh" ? ["kWh", 1000] : [field.unit.replace("currency", currency), 1];
    const input = node("input", { type: "number", required: field.optional ? "" : "required",
      min: field.least / scale, max: field.most / scale, step: "any", inputmode: "decimal", ...named });
    return { element: node("label", {}, input, unit),
      read: () => input.value === "" ? null : scale === 1 ? Number(input.value) : Math.round(Number(input.value) * scale),
      write: (value) => { input.value = value === null ? "" : scale === 1 ? value : value / scale; input.placeholder = value === null ? "none" : ""; } };
  },
  choice(field, named) {
    const select = node("select", named, ...field.choices.map((choice) => node("option", { value: choice }, choice)));
    return { element: select, read: () => select.value, write: (value) => { select.value = value; } };
  },
  text(field, named) {
    const input = node("input", { type: "text", placeholder: field.looks ?? "", title: field.looks ?? "", ...named });
    return { element: node("label", {}, input), read: () => input.value, write: (value) => { input.value = value; } };
  },
  time(field, named) {
    const input = node("input", { type: "time", required: "required", ...named });
    return { element: node("label", {}, input), read: () => input.value, write: (value) => { input.value = value; } };
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
