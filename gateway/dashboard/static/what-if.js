// The home's own past with another battery, tariff or car: asked of the gateway, which works it out in a process of its own.
import { say } from "./text.js";
import { amount, locale, number, t } from "./words.js";

const byId = (id) => document.getElementById(id);
const FIELDS = ["battery_kwh", "import_price", "export_price", "car_kwh"];
const ROWS = [["without_battery", "Without a battery"], ["self_consumption", "Battery without the gateway"], ["gateway", "With the gateway"]];

async function ask(asked) {
  try {
    const answer = await fetch("api/what-if", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked) });
    if (answer.status === 401) location.assign("login");
    return await answer.json();
  } catch {
    return { fault: "The gateway does not answer." };
  }
}

export function startWhatIf(table) {
  const form = byId("what-if-form");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy") === "true") return;
    form.setAttribute("aria-busy", "true");
    say(byId("what-if-says"), "Working it out …");
    const values = FIELDS.map((name) => [name, byId(`if-${name}`).value === "" ? null : Number(byId(`if-${name}`).value)]);
    const found = await ask({ days: Number(byId("if-days").value), ...Object.fromEntries(values) });
    form.setAttribute("aria-busy", "false");
    byId("what-if-answer").hidden = found.fault !== undefined;
    if (found.fault !== undefined) say(byId("what-if-says"), found.fault);
    else draw(found, table);
  });
}

function draw(found, table) {
  const day = (time) => new Date(time).toLocaleDateString(locale, { dateStyle: "medium" });
  const guessed = found.filled + found.unpriced;
  say(byId("what-if-says"), [t("{first} to {end}: what is to pay, without fixed fees.", { first: day(found.first), end: day(found.end) }),
    ...(guessed ? [t("{count} quarter-hours were not known and are taken from another day.", { count: number(guessed) })] : [])].join(" "));
  const bill = (side) => ([key]) => found[side][key] === null ? "–" : amount(found[side][key].bill, found.currency);
  const saved = ([key]) => found.now[key] === null || found.then[key] === null ? "–" : amount(found.now[key].bill - found.then[key].bill, found.currency);
  table("what-if-table", [["", ([, title]) => title], ["As it is", bill("now")], ["As asked", bill("then")], ["Saved", saved]], ROWS, "");
}
