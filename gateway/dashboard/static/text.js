// Words and numbers for people, and the little that makes elements. What is shown is translated here.
import { locale, number, t } from "./words.js";

export function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== "") made.setAttribute(key, SPOKEN.has(key) ? t(value) : value);
  made.append(...children.map((child) => child instanceof Node ? child : t(child)));
  return made;
}

const SPOKEN = new Set(["aria-label", "placeholder", "title"]);

export function say(place, english) {
  const text = t(english);
  if (place.textContent !== text) place.textContent = text;
}

// What stays the same stays the same element: a selection, the focus, an open box and a moving stream outlive the news.
export function show(place, children) {
  const old = [...place.childNodes];
  children.forEach((child, n) => {
    const made = child instanceof Node ? child : document.createTextNode(t(child));
    if (n >= old.length) place.append(made);
    else if (!old[n].isEqualNode(made)) renew(old[n], made);
  });
  old.slice(children.length).forEach((left) => left.remove());
}

function renew(old, made) {
  if (old.nodeName !== made.nodeName) {
    old.replaceWith(made);
  } else if (old.nodeType === Node.TEXT_NODE) {
    old.data = made.data;
  } else {
    const own = old.nodeName === "DETAILS" ? ["open"] : []; // a person's doing
    for (const { name } of [...old.attributes]) if (!made.hasAttribute(name) && !own.includes(name)) old.removeAttribute(name);
    for (const { name, value } of made.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    show(old, [...made.childNodes]);
  }
}

export const MISSING = "–";

export function power(watts) {
  if (watts === null || watts === undefined) return MISSING;
  return Math.abs(watts) >= 995 ? `${number(watts / 1000, 1)} kW` : `${number(watts)} W`;
}

export function energy(wh) {
  if (wh === null || wh === undefined) return MISSING;
  return Math.abs(wh) >= 9_950 ? `${number(wh / 1000, 1)} kWh` : `${number(wh)} Wh`;
}

// Energies of hours to years stand beside each other: all in one unit.
export function kwh(wh) {
  return wh === null || wh === undefined ? MISSING : `${number(wh / 1000, 1)} kWh`;
}

export function price(perKwh) {
  return perKwh === null || perKwh === undefined ? MISSING : number(perKwh, 3);
}

// A moment (ISO text, or seconds as charts have them) in the home's time, as the reader's locale writes it: one form for text, tables and axes.
export const TIME = { timeStyle: "short" }, DAY = { weekday: "short", day: "numeric" };
export function moment(at, zone, how) {
  return new Date(typeof at === "number" ? at * 1000 : at).toLocaleString(locale, { ...how, timeZone: zone });
}

export const clock = (at, zone) => moment(at, zone, { timeStyle: "medium" });
export const hour = (at, zone) => moment(at, zone, TIME);
// In a narrow table it breaks after the day and nowhere else ("(월) 오후 9:45").
export const dayTime = (at, zone) => {
  const [day, ...time] = moment(at, zone, { weekday: "short", hour: "numeric", minute: "2-digit" }).split(" ");
  return [day, time.join("\u00a0")].join(" ");
};

// The home's own wall clock, as a form wants it (YYYY-MM-DDTHH:MM), and back.
export function localTime(iso, zone) {
  const parts = Object.fromEntries(new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
    hour: "2-digit", minute: "2-digit" }).formatToParts(new Date(iso)).map(({ type, value }) => [type, value]));
  return `${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}`;
}

export function utcTime(local, zone) {
  const asked = Date.parse(`${local}Z`);
  const shift = (at) => Date.parse(`${localTime(new Date(at).toISOString(), zone)}Z`) - Math.floor(at / 60_000) * 60_000;
  const near = asked - shift(asked);
  return new Date(asked - shift(near)).toISOString(); // the shift of then, not of now
}

// Monday to Sunday, short.
export function days() {
  const name = new Intl.DateTimeFormat(locale, { weekday: "short", timeZone: "UTC" });
  return [...Array(7).keys()].map((i) => name.format(new Date(Date.UTC(2024, 0, 1 + i))));
}

export function hours(count) {
  return `${number(count)} h`;
}
