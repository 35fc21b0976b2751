// Words and numbers for people, and the little that makes elements.

export function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== "") made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function show(place, children) {
  place.replaceChildren(...children);
}

const MISSING = "–";

export function power(watts) {
  if (watts === null || watts === undefined) return MISSING;
  return Math.abs(watts) >= 995 ? `${(watts / 1000).toFixed(1)} kW` : `${Math.round(watts)} W`;
}

export function energy(wh) {
  if (wh === null || wh === undefined) return MISSING;
  return Math.abs(wh) >= 10_000 ? `${(wh / 1000).toFixed(1)} kWh` : `${Math.round(wh)} Wh`;
}

export function price(perKwh) {
  return perKwh === null || perKwh === undefined ? MISSING : Number(perKwh).toFixed(3);
}

export function clock(iso, zone) {
  return new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: zone });
}

export function dayTime(iso, zone) {
  return new Date(iso).toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit", timeZone: zone });
}
