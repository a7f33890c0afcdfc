// The list of runs, with filters.

import { ask, get, query } from "./api.js";
import { acts, h } from "./dom.js";
import { badge, duration, empty, moment, now, number, pager, reason, runLink, table } from "./parts.js";
import { t } from "./words.js";

export const every_ms = 5000;

export function title() {
  return t("nav.runs");
}

export const STATUSES = ["queued", "running", "success", "failure", "timeout", "skip", "missed", "expired", "interrupted"];
export const ORIGINS = ["cron", "manual", "sync", "async", "command"];
const SPANS = { "1h": 3600, "24h": 86400, "7d": 604800 };
const SIZE = 25;

export async function load(parameters, signal) {
  const filter = Object.fromEntries(["func", "trigger", "status", "origin", "span"].map((name) => [name, parameters.get(name) ?? ""]));
  const since = SPANS[filter.span] ? new Date(now() - SPANS[filter.span] * 1000).toISOString() : "";
  const wanted = query({
    funcId: filter.func,
    triggerId: filter.trigger,
    status: filter.status,
    origin: filter.origin,
    since,
    pageNumber: Number(parameters.get("page")) || 1,
    pageSize: SIZE,
  });
  const [runs, functions] = await Promise.all([ask("GET", `runs?${wanted}`, { signal }), choices(signal)]);
  return { filter, runs: runs.data, info: runs.pageInfo, functions };
}

let known = { at: 0, list: [] };

/** What the filters offer: the functions change more seldom than the runs. */
async function choices(signal) {
  if (Date.now() - known.at > 60000) known = { list: await get("functions", signal), at: Date.now() };
  return known.list;
}

function choice(name, word, chosen, options) {
  return h(
    "label",
    {},
    h("span", {}, word),
    h(
      "select",
      { name, "data-change": "filter-runs" },
      h("option", { value: "", selected: chosen === "" }, t("any")),
      options.map(([value, words]) => h("option", { value, selected: value === chosen }, words)),
    ),
  );
}

export function view({ filter, runs, info, functions }) {
  const ids = functions.map(({ id, title }) => [id, title ? `${title} (${id})` : id]);
  if (filter.func && !ids.some(([id]) => id === filter.func)) ids.push([filter.func, filter.func]);
  const titles = new Map(functions.map(({ id, title }) => [id, title]));
  const filtered = Object.values(filter).some(Boolean);
  const triggers = [...new Set(functions.flatMap((one) => one.triggers.map(({ id }) => id)))];
  if (filter.trigger && !triggers.includes(filter.trigger)) triggers.push(filter.trigger);
  return [
    h("h1", { tabindex: "-1" }, t("nav.runs")),
    h(
      "form",
      { class: "filters", "data-submit": "filter-runs", "aria-label": t("filters") },
      choice("func", t("function"), filter.func, ids),
      triggers.length > 0 ? choice("trigger", t("trigger"), filter.trigger, triggers.map((id) => [id, id])) : null,
      choice("status", t("status"), filter.status, STATUSES.map((status) => [status, t(`status.${status}`)])),
      choice("origin", t("origin"), filter.origin, ORIGINS.map((origin) => [origin, t(`origin.${origin}`)])),
      choice("span", t("span"), filter.span, Object.keys(SPANS).map((span) => [span, t(`span.${span}`)])),
      filtered ? h("a", { class: "button", href: "#/runs" }, t("clearFilters")) : null,
    ),
    runs.length === 0
      ? filtered
        ? empty(t("noRuns.filtered"), t("noRuns.filtered.do"))
        : empty(t("noRuns"), t("noRuns.do"))
      : table(
          t("nav.runs"),
          [
            { name: t("run"), kind: "key", cell: (run) => runLink(run) },
            {
              name: t("function"),
              kind: "main",
              cell: (run) => h("a", { class: "named", href: `#/run/${run.id}` }, titles.get(run.funcId) ? h("span", { class: "title" }, titles.get(run.funcId)) : null, h("code", { class: "dim id" }, run.funcId)),
            },
            { name: t("status"), cell: (run) => [badge(run.status, run.isStoppedByHand), run.reason ? h("div", { class: "reason" }, reason(run)) : null] },
            { name: t("origin"), cell: (run) => t(`origin.${run.origin}`) },
            { name: t("time"), cell: (run) => moment(run.startTime ?? run.createTime) },
            { name: t("took"), kind: "number", cell: (run) => duration(run.runMs) },
            { name: t("points"), kind: "number", cell: (run) => number(run.points) },
            { name: t("calls"), kind: "number", cell: (run) => number(run.calls) },
          ],
          runs,
          { key: (run) => `r${run.id}` },
        ),
    runs.length === 0 ? null : pager(info, (page) => `#/runs?${query({ ...filter, page })}`),
  ];
}

acts["filter-runs"] = (element) => {
  // What stands in the address, not what the form shows: the form may still be that of the address before.
  const filter = Object.fromEntries(new URLSearchParams(location.hash.split("?")[1] ?? ""));
  delete filter.page;
  if (element.name) filter[element.name] = element.value;
  location.hash = `#/runs?${query(filter)}`;
};
