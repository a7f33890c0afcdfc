// One run: how it stands, its log as it grows, what its collectors did, some of its points.

import { ask, get, query } from "./api.js";
import { h } from "./dom.js";
import { badge, duration, failure, moment, named, now, number, reason, said, table, tag, time, wide } from "./parts.js";
import { t } from "./words.js";

export const every_ms = 2000;

export function title({ run } = {}) {
  return run ? t("runOf", { id: run.id }) : t("run");
}

/** Nothing more to come: no need to ask again. */
export function ended({ run }) {
  return run.final;
}

export async function load(parameters, signal) {
  const run = await get(`runs/${parameters.get("id")}`, signal);
  const described = await get(`func/${encodeURIComponent(run.funcId)}`, signal).catch((error) => {
    // A function that is no longer published has no title; its runs are still there.
    if (error.status === 404) return null;
    throw error;
  });
  return { run, title: described?.title, kwargs: described?.kwargs };
}

function fact(word, ...value) {
  return h("div", {}, h("dt", {}, word), h("dd", {}, value));
}

function facts(run) {
  const arguments_ = Object.keys(run.kwargs ?? {}).length > 0;
  return h(
    "dl",
    { class: "facts" },
    fact(t("origin"), t(`origin.${run.origin}`)),
    run.triggerId ? fact(t("trigger"), h("a", { href: `#/runs?${query({ trigger: run.triggerId })}` }, h("code", {}, run.triggerId))) : null,
    run.tick ? fact(t("tick"), time(run.tick, { both: true })) : null,
    run.ticks > 1 ? fact(t("ticks"), number(run.ticks)) : null,
    fact(t("startedAt"), run.startTime ? time(run.startTime, { both: true }) : t("notYet")),
    run.endTime ? fact(t("endedAt"), time(run.endTime, { both: true })) : null,
    fact(t("waited"), duration(run.waitMs)),
    fact(t("took"), duration(run.runMs)),
    fact(t("points"), number(run.points)),
    fact(t("calls"), number(run.calls)),
    run.worker ? fact(t("worker"), h("code", { class: "id" }, run.worker)) : null,
    arguments_ ? fact(t("arguments"), h("code", { class: "id" }, JSON.stringify(run.kwargs))) : null,
  );
}

function errors(run) {
  const list = run.errors ?? [];
  if (list.length === 0) {
    // What fails in a collector stands with the collector.
    return run.reason && run.status !== "success" ? h("div", { class: "alert bad" }, h("p", { class: "said" }, reason(run))) : null;
  }
  return h(
    "section",
    { "aria-labelledby": "errors", class: "errors" },
    h("h2", { id: "errors" }, t("error")),
    list.map((error) =>
      error.rendered
        ? h("div", { class: "alert bad" }, wide(t("error.text"), said(error.rendered)))
        : h(
            "div",
            { class: "alert bad" },
            h("p", { class: "strong said" }, error.message),
            error.file ? h("p", {}, h("code", {}, [error.file, error.line, error.column].filter(Boolean).join(":"))) : null,
            error.hint ? h("p", { class: "said" }, t("hint", { hint: error.hint })) : null,
          ),
    ),
  );
}

const COLLECTED = { collected: ["good", "✓"], skipped: ["rest", "»"], failed: ["bad", "✕"] };

function collectors(run) {
  const report = run.report;
  if (!report) return null;
  const list = report.collectors ?? [];
  const total = (calls) => Object.values(calls ?? {}).reduce((sum, count) => sum + count, 0);
  const notes = (one) => [...(one.error ? [["bad", one.error]] : []), ...(one.warnings ?? []).map((words) => ["warn", words])];
  const outbox = Object.entries(report.outbox ?? {}).filter(([, count]) => count > 0);
  return h(
    "section",
    { "aria-labelledby": "collectors" },
    h("h2", { id: "collectors" }, t("collectors")),
    list.length === 0
      ? h("p", { class: "dim" }, t("noCollectors"))
      : table(
          t("collectors"),
          [
            { name: t("collector"), kind: "main", cell: (one) => h("code", {}, one.name) },
            { name: t("result"), cell: (one) => h("span", { class: `badge ${COLLECTED[one.status]?.[0] ?? "rest"}` }, h("span", { class: "sign", "aria-hidden": "true" }, COLLECTED[one.status]?.[1] ?? "?"), " ", t(`collector.${one.status}`)) },
            {
              name: t("calls"),
              kind: "number",
              cell: (one) =>
                total(one.calls) === 0
                  ? "0"
                  : h("details", {}, h("summary", { "aria-label": t("callsOf", { n: number(total(one.calls)), name: one.name }) }, number(total(one.calls))), h("ul", { class: "plain" }, Object.entries(one.calls).map(([action, count]) => h("li", {}, h("code", {}, action), " ", number(count))))),
            },
            {
              name: t("points"),
              kind: "number",
              cell: (one) => [
                number(one.delivered),
                one.collected !== one.delivered ? h("div", { class: "dim" }, t("collectedOf", { n: number(one.collected) })) : null,
                ["kept", "rejected", "too_old"].filter((name) => one[name] > 0).map((name) => h("div", { class: "slow" }, t(`points.${name}`, { n: number(one[name]) }))),
              ],
            },
            { name: t("linked"), kind: "number", cell: (one) => number(one.linked) },
            { name: t("took"), kind: "number", cell: (one) => duration(one.seconds * 1000) },
            { name: t("dueAgain"), cell: (one) => (!one.next_due ? "–" : Date.parse(one.next_due) > now() ? time(one.next_due) : t("dueNow")) },
          ],
          list,
          { key: (_, index) => `c${index}` },
        ),
    list.flatMap((one, index) => notes(one).map(([kind, words], at) => h("div", { class: `alert ${kind}`, "data-key": `note ${index} ${at}` }, h("p", {}, h("code", {}, one.name)), said(words)))),
    (report.warnings ?? []).map((words) => h("div", { class: "alert warn" }, said(words))),
    outbox.length > 0 ? h("p", {}, h("b", {}, t("outbox")), " ", outbox.map(([name, count]) => t(`outbox.${name}`, { n: number(count) })).join(t("comma"))) : null,
    (report.budget ?? []).map((one) => h("p", {}, h("b", {}, t("budget")), " ", h("code", {}, one.account), " ", t("usedOf", { used: number(one.used), limit: number(one.limit) }), " ", t(`unit.${one.unit}`))),
  );
}

const LONG = 60;

function shown(value) {
  return value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}

function cell(value) {
  const text = shown(value);
  if (text.length <= LONG) return text;
  return h("details", {}, h("summary", {}, `${text.slice(0, LONG)}…`), h("div", { class: "long" }, text));
}

function samples(run) {
  const list = run.samples ?? [];
  if (list.length === 0) return null;
  const groups = new Map();
  for (const point of list) {
    const name = `${point.collector} ${point.measurement}`;
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(point);
  }
  const names = (points, part) => [...new Set(points.flatMap((point) => Object.keys(point[part] ?? {})))].sort();
  return h(
    "section",
    { "aria-labelledby": "samples" },
    h("h2", { id: "samples" }, t("samples")),
    h("p", { class: "dim" }, t("samples.what")),
    [...groups].map(([name, points]) => {
      // What is short first, and of that the name: what is long would push all else out of sight.
      const long = (part, name) => points.some((point) => shown(point[part]?.[name]).length > LONG);
      const column = (part, kind) => (name) => ({ part, name, kind, long: long(part, name) });
      const tags = names(points, "tags").map(column("tags", null));
      const all = [...tags.filter(({ name }) => name === "name"), ...names(points, "fields").map(column("fields", "field")), ...tags.filter(({ name }) => name !== "name")];
      const columns = [...all.filter((one) => !one.long), ...all.filter((one) => one.long)];
      return h(
        "div",
        { class: "group", "data-key": name },
        h("h3", {}, h("code", {}, points[0].measurement), " ", tag("rest", points[0].collector)),
        wide(
          t("samplesOf", { name: points[0].measurement }),
          h(
            "table",
            { class: "grid samples" },
            h("caption", { class: "hidden" }, t("samplesOf", { name: points[0].measurement })),
            h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("time")), columns.map(({ name, kind }) => h("th", { scope: "col", class: kind }, name)))),
            h(
              "tbody",
              {},
              points.map((point) =>
                h("tr", {}, h("td", {}, pointTime(point.time)), columns.map(({ part, name, kind }) => h("td", { class: kind }, cell(point[part]?.[name])))),
              ),
            ),
          ),
        ),
      );
    }),
  );
}

/** Nanoseconds, as points have them. */
function pointTime(value) {
  return value ? moment(new Date(value / 1e6).toISOString()) : "–";
}

export function view({ run, title: name, kwargs }) {
  return [
    h("p", { class: "back" }, h("a", { href: "#/runs" }, t("allRuns"))),
    h("div", { class: "head" }, h("h1", { tabindex: "-1" }, t("runOf", { id: run.id })), badge(run.status, run.isStoppedByHand), run.attempt > 1 ? h("span", { class: "dim" }, t("attempt", { n: run.attempt })) : null),
    h("p", {}, named(run.funcId, name)),
    h(
      "div",
      { class: "buttons" },
      run.final
        ? run.triggerId
          ? h("button", { type: "button", "data-act": "run-trigger", "data-id": run.triggerId }, t("runAgain"))
          : kwargs
            ? h("button", { type: "button", "data-act": "call-again", "data-id": run.funcId, "data-kwargs": JSON.stringify(run.kwargs ?? {}) }, t("runAgain"))
            : null
        : h("button", { type: "button", class: "danger", "data-act": "stop", "data-id": run.id }, t("stop")),
    ),
    errors(run),
    facts(run),
    h(
      "section",
      { "aria-labelledby": "log" },
      h("h2", { id: "log" }, t("log"), " ", run.final ? null : h("span", { class: "live" }, t("live"))),
      h("div", { class: "log", role: "log", "aria-live": "off", "aria-labelledby": "log", tabindex: "0", "data-own": "log", "data-key": `log${run.id}`, "data-run": run.id }),
    ),
    run.result !== null && run.result !== undefined ? h("section", { "aria-labelledby": "result" }, h("h2", { id: "result" }, t("returned")), wide(t("returned.value"), said(JSON.stringify(run.result, null, 2)))) : null,
    collectors(run),
    samples(run),
  ];
}

function line({ prefix, kind, text }) {
  return h("div", { class: `line ${kind}` }, h("span", { class: "prefix" }, prefix), " ", h("span", { class: "text" }, text));
}

/** Fills the log and goes on while the run does; `done` is called at its end, and where the log knows of a status that is not shown yet. */
export async function follow(main, { run }, signal, done) {
  const box = main.querySelector("[data-own=log]");
  if (!box) return;
  let after = 0;
  let pause = 500;
  let { status } = run;
  while (!signal.aborted && box.isConnected) {
    let answer;
    try {
      ({ data: answer } = await ask("GET", `runs/${run.id}/log?${query({ after, wait: 20, limit: 1000 })}`, { signal }));
      pause = 500;
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status === 401) return done();
      if (!error.away && error.status < 500) {
        box.replaceChildren(failure(error));
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 2, 10000);
      continue;
    }
    const bottom = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    box.append(...answer.lines.map(line));
    after = answer.last;
    if (bottom) box.scrollTop = box.scrollHeight;
    if (answer.final) {
      if (!box.firstChild) box.append(h("p", { class: "dim" }, t("noLog")));
      return done();
    }
    if (answer.status !== status) {
      status = answer.status;
      done();
    }
  }
}
