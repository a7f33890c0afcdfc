// Parts that several views are made of: badges, times, numbers, tables, the state of nothing.

import { h } from "./dom.js";
import { language, t } from "./words.js";

let zone = "UTC";
// The service's clock minus this machine's: what is late is late by the service's.
let ahead = 0;

/** The service's zone and time. */
export function setClock(timezone, now) {
  if (timezone) zone = timezone;
  if (now) ahead = Date.parse(now) - Date.now();
}

/** Now, by the service's clock. */
export function now() {
  return Date.now() + ahead;
}

export function zoneName() {
  return zone;
}

const formats = new Map();

function format(kind, make) {
  const key = `${kind} ${language()} ${zone}`;
  if (!formats.has(key)) formats.set(key, make());
  return formats.get(key);
}

/** `1,234`. */
export function number(value, digits = 0) {
  if (value === null || value === undefined) return "–";
  return format(`number${digits}`, () => new Intl.NumberFormat(language(), { maximumFractionDigits: digits })).format(value);
}

/** An amount of money. */
export function money(amount, currency) {
  if (amount > 0 && amount < 0.01) return `< ${money(0.01, currency)}`;
  return format(`money${currency}`, () => new Intl.NumberFormat(language(), { style: "currency", currency })).format(amount);
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${number(value, value < 10 && at > 0 ? 1 : 0)} ${units[at]}`;
}

/** A moment in the service's zone, written as it stands in logs. */
export function moment(text, withDate = true) {
  const options = { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zone };
  const parts = format("moment", () => new Intl.DateTimeFormat("en", options)).formatToParts(new Date(text));
  const part = (type) => parts.find((one) => one.type === type)?.value;
  const clock = `${part("hour")}:${part("minute")}:${part("second")}`;
  return withDate ? `${part("month")}-${part("day")} ${clock}` : clock;
}

/** The hour of a moment: `08:00`. */
export function hour(text) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone };
  return format("hour", () => new Intl.DateTimeFormat(language(), options)).format(new Date(text));
}

/** `3 min 5 s`: at most two units. */
export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "–";
  if (milliseconds < 1000) return t("milliseconds", { n: number(Math.round(milliseconds)) });
  const seconds = milliseconds / 1000;
  if (seconds < 60) return t("seconds", { n: number(seconds, seconds < 10 ? 1 : 0) });
  const whole = Math.round(seconds);
  const parts = [
    ["days", Math.floor(whole / 86400)],
    ["hours", Math.floor(whole / 3600) % 24],
    ["minutes", Math.floor(whole / 60) % 60],
    ["seconds", whole % 60],
  ];
  const first = parts.findIndex(([, count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .filter(([, count]) => count > 0)
    .map(([word, count]) => t(word, { n: number(count) }))
    .join(" ");
}

/** `in 3 min`, `5 s ago`. */
export function distance(text) {
  const away = Date.parse(text) - now();
  const size = Math.abs(away);
  // Finer than it is worth reading, it would only flicker.
  const shown = size < 1000 ? 0 : size < 120000 ? Math.round(size / 1000) * 1000 : Math.round(size / 60000) * 60000;
  if (shown === 0) return t("justNow");
  return t(away > 0 ? "ahead" : "ago", { time: duration(shown) });
}

/** A time as a distance that stays right, with the moment beside it or on pointing. */
export function time(text, { both = false } = {}) {
  if (!text) return "–";
  const near = h("time", { datetime: text, title: `${moment(text)} ${zone}`, "data-distance": text }, distance(text));
  return both ? [moment(text), " ", h("span", { class: "dim" }, "(", near, ")")] : near;
}

/** Brings the distances up to date. */
export function tick() {
  for (const element of document.querySelectorAll("[data-distance]")) {
    const words = distance(element.dataset.distance);
    if (element.textContent !== words) element.textContent = words;
  }
}

const SIGNS = {
  success: ["good", "✓"],
  failure: ["bad", "✕"],
  timeout: ["bad", "◷"],
  interrupted: ["bad", "■"],
  expired: ["bad", "⊖"],
  missed: ["warn", "∅"],
  skip: ["warn", "»"],
  running: ["busy", "▶"],
  queued: ["busy", "…"],
};

/** The status of a run: sign, word and colour, so that none of them is needed. What somebody stopped is no fault. */
export function badge(status, byHand = false) {
  const [kind, sign] = byHand ? ["rest", "■"] : (SIGNS[status] ?? ["rest", "?"]);
  return h("span", { class: `badge ${kind}`, "data-status": status }, h("span", { class: "sign", "aria-hidden": "true" }, sign), " ", t(`status.${status}`));
}

/** A word with a colour. */
export function tag(kind, word) {
  return h("span", { class: `badge ${kind}` }, word);
}

/** A function's title with its id below. */
export function named(id, title, link = true) {
  const words = [title ? h("span", { class: "title" }, title) : null, h("code", { class: title ? "dim id" : "id" }, id)];
  return link ? h("a", { class: "named", href: `#/functions?q=${encodeURIComponent(id)}` }, words) : h("span", { class: "named" }, words);
}

/** A link to a run. */
export function runLink(record, words) {
  return h("a", { href: `#/run/${record.id}` }, words ?? `#${record.id}`);
}

/** What the original platform calls a table: on a narrow screen each row becomes a card. */
export function table(caption, columns, rows, { key } = {}) {
  return h(
    "table",
    { class: "cards", role: "table" },
    h("caption", { class: "hidden" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map(({ name, kind }) => h("th", { role: "columnheader", scope: "col", class: kind }, name)))),
    h(
      "tbody",
      { role: "rowgroup" },
      rows.map((row, index) =>
        h(
          "tr",
          { role: "row", "data-key": key?.(row, index) },
          columns.map(({ name, kind, cell }) => h("td", { role: "cell", class: kind, "data-label": name }, h("div", { class: "value" }, cell(row)))),
        ),
      ),
    ),
  );
}

/** Something wide, which scrolls by itself, also by keyboard. */
export function wide(label, ...children) {
  return h("div", { class: "wide", role: "region", tabindex: "0", "aria-label": label }, children);
}

/** Words with what is to be typed in backquotes. */
export function typed(words) {
  return words.split("`").map((part, index) => (index % 2 === 1 ? h("code", {}, part) : part));
}

/** Nothing there: what to do. */
export function empty(title, ...advice) {
  return h("div", { class: "empty" }, h("p", { class: "strong" }, title), advice.map((words) => h("p", {}, typed(words))));
}

/** Pages of a list. */
export function pager(info, link) {
  if (!info || info.pageCount <= 1) return info ? h("p", { class: "dim count" }, t("total", { n: number(info.totalCount) })) : null;
  const step = (page, word, usable) =>
    usable
      ? h("a", { class: "button", href: link(page), rel: word === "previous" ? "prev" : "next" }, t(word))
      : h("span", { class: "button off", "aria-disabled": "true" }, t(word));
  return h(
    "nav",
    { class: "pager", "aria-label": t("pages") },
    step(info.pageNumber - 1, "previous", !info.isFirstPage),
    h("span", { class: "dim" }, t("pageOf", { page: number(info.pageNumber), pages: number(info.pageCount), n: number(info.totalCount) })),
    step(info.pageNumber + 1, "next", !info.isLastPage),
  );
}

/** A failure of the API, as it says it. */
export function failure(error) {
  return h(
    "div",
    { class: "alert bad", role: "alert" },
    h("p", { class: "strong" }, t("failed"), error.code ? ` (${error.code})` : ""),
    h("p", { class: "said" }, error.message),
    error.trace ? h("p", { class: "dim" }, t("trace", { id: error.trace })) : null,
  );
}

/** What the service says of a run or a trigger, in the reader's language where it is one of the sentences of which it tells more. */
export function inWords(text, told) {
  if (!told) return text;
  const values = { ...told.values };
  for (const name of ["at", "first", "last"]) if (values[name]) values[name] = moment(values[name]);
  if (values.whyTold) values.why = inWords(values.why, values.whyTold);
  return t(`told.${told.code}`, values);
}

/** Why a run stands as it does. */
export function reason(run) {
  return run?.reason ? inWords(run.reason, run.told) : null;
}

/** Text of several lines, as it was said. */
export function said(text) {
  return h("pre", { class: "said" }, text);
}

/** How often: `every 5 min`. */
export function every(seconds) {
  return t("every", { time: duration(seconds * 1000) });
}
