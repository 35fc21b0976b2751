// Steering: one row a command; the answer comes after the device was read back.
import { days, hours, localTime, node, say, utcTime } from "./text.js";
import { symbol, t } from "./words.js";

const rows = new Map(); // name -> what updates it
let gatewayTime = "", zone = "UTC", plan = null;
const sliders = new Set(); // what is drawn anew when there is another plan

export function followPlan(day) {
  ({ plan } = day);
  for (const draw of sliders) draw();
}

export function drawCommands(place, live) {
  gatewayTime = live.time;
  zone = live.time_zone;
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
    node("div", {}, node("h3", { id: `${id}-title` }, command.title), node("p", { id: `${id}-about` }, document.createTextNode(command.about.map((text) => t(text.replaceAll("null = ", "empty = "))).join("; ")))), form, output);
  const bundled = command.fields.length > 1;
  const controls = command.fields.map((field) => {
    // A control that stands alone is named by the heading, one of several by its own title.
    const name = bundled ? { "aria-label": field.title } : { "aria-labelledby": `${id}-title` };
    return { key: field.key, ...CONTROLS[field.form](field, { ...name, "aria-describedby": `${id}-about` }, currency) };
  });
  const read = () => bundled ? Object.fromEntries(controls.map((c) => [c.key, c.read()])) : controls[0].read();
  const isSwitch = !bundled && command.fields[0].form === "switch";
  form.append(...controls.map((c) => c.element));
  if (!isSwitch) form.append(node("button", { type: "submit", "aria-label": t("Apply: {title}", { title: t(command.title) }) }, "Apply"));
  // Marked, not disabled: a disabled control would lose the keyboard's focus.
  const busy = (is) => form.setAttribute("aria-busy", String(is));
  const ask = async (value) => {
    if (form.getAttribute("aria-busy") === "true") return;
    output.className = "";
    say(output, "Asking the devices …");
    busy(true);
    const answer = await send(command.name, value);
    busy(false);
    output.className = answer.status === "ok" ? "ok" : "no";
    say(output, answer.status === "ok" ? "Done." : answer.said ?? (answer.message || answer.status));
    touched.clear();
  };
  const touched = new Map(); // control -> what held when a person began to change it
  form.addEventListener("input", ({ target }) => {
    const i = controls.findIndex((c) => c.element.contains(target));
    if (i >= 0 && !touched.has(i)) touched.set(i, held[i]);
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(read()); });
  if (isSwitch) {
    form.addEventListener("click", (event) => { event.preventDefault(); ask(!controls[0].read()); });
  }
  // What a person is typing is not overwritten by what holds now; what stands beside it is, so that it is not set back unseen.
  let held = [];
  return { box, update: (fields) => {
    held = fields.map((field) => field.value);
    controls.forEach((c, i) => { if (isSwitch || !touched.has(i) && !c.element.contains(document.activeElement)) c.write(held[i]); });
    if (form.getAttribute("aria-busy") !== "true" && [...touched].some(([i, before]) => before !== held[i])) {
      output.className = "no";
      say(output, "It was changed elsewhere meanwhile; Apply sets what stands here.");
    }
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
    const [unit, scale] = field.unit === "Wh" ? ["kWh", 1000] : [field.unit.replace("currency", symbol(currency)), 1];
    const input = node("input", { type: "number", required: field.optional ? "" : "required",
      min: field.least / scale, max: field.most / scale, step: "any", inputmode: "decimal", ...named });
    return { element: node("label", {}, input, unit),
      read: () => input.value === "" ? null : scale === 1 ? Number(input.value) : Math.round(Number(input.value) * scale),
      write: (value) => { input.value = value === null ? "" : scale === 1 ? value : value / scale; input.placeholder = value === null ? t("none") : ""; } };
  },
  choice(field, named) {
    const select = node("select", named, ...field.choices.map((choice) => node("option", { value: choice }, choice)));
    return { element: select, read: () => select.value, write: (value) => { select.value = value; } };
  },
  text(field, named) {
    const input = node("input", { type: "text", placeholder: field.looks ?? "", title: field.looks ?? "", ...named });
    return { element: node("label", {}, input), read: () => input.value, write: (value) => { input.value = value; } };
  },
  days(field, named) {
    const boxes = DAYS.map((day) => [day, node("input", { type: "checkbox", value: day })]);
    const names = days();
    return { element: node("fieldset", { class: "days", ...named }, ...boxes.map(([, box], i) => node("label", {}, box, names[i]))),
      read: () => boxes.filter(([, box]) => box.checked).map(([day]) => day).join(","),
      write: (value) => { for (const [day, box] of boxes) box.checked = value.split(",").includes(day); } };
  },
  // What a kWh more in the car is worth: from sun alone to at once, and which hours of the plan that means.
  value(field, named, currency) {
    const exact = node("input", { type: "number", required: "required", min: field.least, max: field.most, step: "any", inputmode: "decimal", ...named });
    const range = node("input", { type: "range", step: "0.005", "aria-label": "From sun alone to as soon as possible" });
    const means = node("span", { class: "means" });
    const draw = () => {
      const costs = plan ? plan.time.map((_, i) => costOfMore(i)).filter((cost) => cost !== null) : [];
      range.min = Math.min(0, ...costs).toFixed(3);
      range.max = (Math.max(0.05, ...costs) * 1.1).toFixed(3);
      range.value = exact.value;
      const taken = costs.filter((cost) => cost < Number(exact.value)).length;
      say(means, costs.length ? t("charges in {hours} of the next {all}", { hours: hours(taken / 4), all: hours(costs.length / 4) }) : "");
    };
    range.addEventListener("input", () => { exact.value = Number(range.value).toFixed(3); draw(); });
    exact.addEventListener("input", draw);
    sliders.add(draw);
    return { element: node("div", { class: "slider" }, range, node("span", { class: "ends" }, node("span", {}, "sun alone"), node("span", {}, "at once")),
      node("label", {}, exact, field.unit.replace("currency", symbol(currency))), means),
    read: () => Number(exact.value), write: (value) => { if (Number(exact.value) !== value || exact.value === "") exact.value = value; draw(); } };
  },
  // Departures of single days, in the home's own time and in kWh.
  calendar(field, named) {
    const list = node("div", { class: "departures" });
    const add = node("button", { type: "button", class: "quiet" }, "Add a departure");
    const changed = () => list.dispatchEvent(new Event("input", { bubbles: true }));
    const row = (at, kwh) => {
      const remove = node("button", { type: "button", class: "quiet", "aria-label": "Remove this departure" }, "✕");
      const made = node("div", { class: "row" }, node("input", { type: "datetime-local", required: "required", value: at, "aria-label": "Leaves at" }),
        node("label", {}, node("input", { type: "number", required: "required", min: "0", max: "200", step: "any", value: kwh, "aria-label": "Energy, kWh" }), "kWh"), remove);
      remove.addEventListener("click", () => { made.remove(); changed(); add.focus(); });
      return made;
    };
    add.addEventListener("click", () => {
      const tomorrow = new Date(new Date(gatewayTime).getTime() + 86_400_000).toISOString();
      const made = row(`${localTime(tomorrow, zone).slice(0, 11)}07:00`, 10);
      list.append(made);
      made.querySelector("input").focus();
      changed();
    });
    let held = null;
    return { element: node("div", { class: "departures", role: "group", ...named }, list, add),
      read: () => [...list.children].map((made) => {
        const [at, kwh] = made.querySelectorAll("input");
        return { at: utcTime(at.value, zone), energy_wh: Math.round(Number(kwh.value) * 1000) };
      }),
      write: (value) => {
        if (value === held) return;
        held = value;
        list.replaceChildren(...value.split(";").filter((part) => part.trim()).map((part) => {
          const [at, wh] = part.trim().split(" ");
          return row(localTime(at, zone), Number(wh) / 1000);
        }));
      } };
  },
  time(field, named) {
    const input = node("input", { type: "time", required: "required", ...named });
    return { element: node("label", {}, input), read: () => input.value, write: (value) => { input.value = value; } };
  },
};

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

// What a kWh more costs in a step of the plan: what it would have earned while there is surplus, else what is paid.
function costOfMore(i) {
  const buying = plan.import_price_per_kwh[i] ?? plan.import_estimate_per_kwh[i];
  const selling = plan.export_price_per_kwh[i] ?? plan.export_estimate_per_kwh[i];
  return plan.grid_w[i] < -50 ? selling ?? buying : buying;
}

async function send(name, value) {
  const id = `page-${Date.now()}-${Math.random().toString(36).slice(2, 8)}`;
  try {
    const answer = await fetch(`api/command/${name}`, {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ id, ts: gatewayTime, ttl_s: 60, value }),
    });
    if (answer.status === 401) location.assign("login");
    return await answer.json();
  } catch {
    return { status: "error", message: "The gateway does not answer. Nothing was changed, as far as we know." };
  }
}
