// The page in the reader's language: texts by catalogue, numbers, money and times by locale.
const KNOWN = { en: "English", de: "Deutsch", ko: "한국어", es: "Español" };
const base = (name) => name.split("-")[0];
const chosen = localStorage.getItem("language");
export const language = chosen in KNOWN ? chosen : navigator.languages.map(base).find((name) => name in KNOWN) ?? "en";
export const locale = navigator.languages.find((name) => base(name) === language) ?? language;
document.documentElement.lang = language;

const words = language === "en" ? {} : await fetch(`static/words-${language}.json`).then((answer) => answer.ok ? answer.json() : {}).catch(() => ({}));
export const missed = new Set(); // texts that no catalogue knows, for the tests
const PLACE = /\{\w+\}/g;
const patterns = Object.entries(words).filter(([key]) => key.includes("{")).map(([key, text]) => {
  const names = key.match(PLACE);
  const escaped = key.split(PLACE).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return { like: new RegExp(`^${escaped.join("(.+?)")}$`, "s"), names, text };
}).sort((a, b) => b.like.source.length - a.like.source.length);
const heard = new Map(); // what was translated before; the same few hundred texts come again and again

// A text of ours, or a sentence of the gateway's, in the reader's language; {name} is filled from values.
export function t(text, values) {
  if (text?.say !== undefined) return spoken(text);
  if (values) return told((words[text] ?? noted(text)).replace(PLACE, (name) => values[name.slice(1, -1)] ?? name));
  if (language === "en" || !/\p{L}{2}/u.test(text)) return text;
  let known = words[text] ?? heard.get(text);
  if (known === undefined) {
    known = sentence(text);
    if (heard.size > 2000) heard.clear();
    heard.set(text, known);
  }
  return known;
}

// What the gateway tells: a template with its values, which may be such again, and the device that it is about.
function spoken({ say, values, who }) {
  const said = say === "{text}" ? t(values.text) : t(say, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === "string" ? written(value, name) : t(value)])));
  return told(who ? `${who}: ${said}` : said);
}

// A value as the reader's locale writes it: the first number of an amount, a moment in the home's time; else a word of ours.
const NUMBER = /^-?\d+(?:\.(\d+))?(?=$| )/, MOMENT = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(Z| UTC)$/;
// What stands for itself, unless a unit follows: a register's number or a version is no amount, a price is.
const NO_AMOUNT = new Set(["register", "row", "word", "now", "was", "before", "file"]);
let zone = "UTC";
export const homeZone = (name) => { zone = name; };
function written(value, name) {
  const moment = MOMENT.exec(value), amount = NO_AMOUNT.has(name) && !value.includes(" ") ? null : NUMBER.exec(value);
  if (moment) return new Date(`${moment[1]}T${moment[2]}Z`).toLocaleString(locale, { weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit", timeZone: zone });
  if (amount) return value.replace(NUMBER, number(Number(amount[0]), amount[1]?.length ?? 0));
  return t(value);
}

function sentence(text) {
  for (const { like, names, text: other } of patterns) {
    const found = like.exec(text);
    if (found) return names.reduce((made, name, i) => made.replace(name, t(found[i + 1])), other);
  }
  return noted(text);
}

// For the tests: what no catalogue knows and is not a translation itself. Bounded, for a tab lives for months.
const others = new Set(Object.values(words)), filled = new Set();
function noted(text) {
  if (language !== "en" && missed.size < 500 && !others.has(text) && !filled.has(text)) missed.add(text);
  return text;
}

function told(text) {
  if (language !== "en" && filled.size < 500) filled.add(text);
  return text;
}

// What stands in the page from the start.
export function translatePage() {
  if (language === "en") return;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let at = walker.nextNode(); at; at = walker.nextNode()) {
    const text = at.data.trim().replace(/\s+/g, " ");
    if (text) at.data = at.data.replace(/\S[\s\S]*\S|\S/, () => t(text));
  }
  for (const element of document.querySelectorAll("[aria-label], [placeholder]")) {
    for (const name of ["aria-label", "placeholder"]) if (element.hasAttribute(name)) element.setAttribute(name, t(element.getAttribute(name)));
  }
  document.title = t(document.title);
}

export function chooseLanguage(select) {
  for (const [name, title] of Object.entries(KNOWN)) {
    const option = document.createElement("option");
    option.value = name;
    option.textContent = title;
    option.lang = name;
    select.append(option);
  }
  select.value = language;
  select.addEventListener("change", () => { localStorage.setItem("language", select.value); location.reload(); });
}

const formats = new Map();
function format(key, make) {
  if (!formats.has(key)) formats.set(key, make());
  return formats.get(key);
}

export function number(value, digits = 0, least = digits) {
  return format(`n${digits} ${least}`, () => new Intl.NumberFormat(locale, { minimumFractionDigits: least, maximumFractionDigits: digits })).format(value);
}

const money = (currency) => format(`m${currency}`, () => new Intl.NumberFormat(locale, { style: "currency", currency, currencyDisplay: "narrowSymbol" }));

export function amount(value, currency) {
  return value === null ? "–" : money(currency).format(Number(value));
}

export function symbol(currency) {
  return money(currency).formatToParts(0).find(({ type }) => type === "currency")?.value ?? currency;
}
