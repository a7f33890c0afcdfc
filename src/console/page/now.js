// The first view: what needs attention, what runs, what comes next.

import { get } from "./api.js";
import { hours } from "./chart.js";
import { h } from "./dom.js";
import { badge, bytes, duration, empty, every, inWords, moment, named, number, reason, runLink, said, table, tag, time, typed } from "./parts.js";
import { t } from "./words.js";

export const every_ms = 5000;

export function title() {
  return t("nav.now");
}

export function load(_, signal) {
  return get("overview", signal);
}

function headline(data) {
  const kind = data.badCount > 0 ? "bad" : data.attentionCount > 0 ? "warn" : "good";
  const words =
    data.attentionCount > 0 ? t("attention", { n: number(data.attentionCount) }) : data.functions === 0 ? t("nothingYet") : t("allWell");
  return h(
    "div",
    { class: `headline ${data.functions === 0 && kind === "good" ? "rest" : kind}` },
    h("span", { class: "sign", "aria-hidden": "true" }, kind === "good" ? "✓" : "!"),
    h("h1", { tabindex: "-1" }, words),
    h("p", { class: "dim" }, t("asOf", { time: moment(data.time, false) })),
  );
}

// What is said of each kind: its words, what it names, what was said about it, and where to go.
const KINDS = {
  failed: (one) => [
    one.title ?? one.funcId,
    [badge(one.run.status), " ", time(one.run.endTime ?? one.run.createTime), one.isLate ? [" · ", t("kind.late.also")] : null],
    reason(one.run),
    [runLink(one.run, t("seeRun", { id: one.run.id })), filtered(one)],
  ],
  late: (one) => [
    one.title ?? one.funcId,
    [t("kind.late"), " · ", every(one.configuredSeconds), one.run ? [" · ", t("lastRun"), " ", time(one.run.endTime ?? one.run.createTime)] : null],
    reason(one.run),
    [one.run ? runLink(one.run, t("seeRun", { id: one.run.id })) : null, filtered(one)],
  ],
  slow: (one) => [
    one.title ?? one.funcId,
    t("kind.slow", { configured: duration(one.configuredSeconds * 1000), effective: duration(one.effectiveSeconds * 1000) }),
    one.run?.status === "skip" ? reason(one.run) : null,
    [filtered(one)],
  ],
  script: (one) => [one.scriptId ?? one.file, t(one.isPublished ? "kind.script.old" : "kind.script"), one.message, []],
  idle: (one) => [one.title ?? one.triggerId, t("kind.idle"), inWords(one.message, one.told), []],
  waiting: (one) => [t("kind.waiting", { n: number(one.count) }), t("kind.waiting.more"), null, [runLink({ id: one.runId }, t("seeRun", { id: one.runId }))]],
  outbox: (one) => [
    one.datakit,
    t("kind.outbox", { points: number(one.points), bytes: bytes(one.bytes), limit: bytes(one.limitBytes) }),
    null,
    [h("a", { href: "#/data" }, t("nav.data"))],
  ],
  budget: (one) => [one.account, t("kind.budget"), one.message, [h("a", { href: "#/usage" }, t("nav.usage"))]],
  nobody: (one) => [t(`kind.nobody.${one.role}`), t("kind.nobody.more", { role: one.role }), null, []],
  stopped: (one) => [
    one.title ?? one.funcId,
    [badge(one.run.status, true), " ", time(one.run.endTime)],
    reason(one.run),
    [runLink(one.run, t("seeRun", { id: one.run.id })), filtered(one)],
  ],
  paused: (one) => [one.title ?? one.funcId, t("kind.paused"), null, [filtered(one)]],
};

function filtered(one) {
  return h("a", { href: `#/functions?q=${encodeURIComponent(one.funcId)}` }, t("seeFunction"));
}

function card(one) {
  const [name, what, message, links] = (KINDS[one.kind] ?? (() => [one.kind, "", null, []]))(one);
  const id = one.triggerId ?? one.funcId;
  return h(
    "li",
    { class: `card ${one.urgency}`, "data-key": `${one.kind} ${id ?? one.scriptId ?? one.file ?? one.datakit ?? one.account ?? one.role}`, "data-kind": one.kind },
    h("div", { class: "head" }, h("h3", {}, name), id && id !== name ? h("code", { class: "dim id" }, id) : null),
    h("p", {}, typeof what === "string" ? typed(what) : what),
    message ? said(message) : null,
    links.some(Boolean) ? h("p", { class: "links" }, links) : null,
  );
}

function attention(list) {
  const urgent = list.filter((one) => one.urgency !== "known");
  const known = list.filter((one) => one.urgency === "known");
  return [
    urgent.length > 0 ? h("section", { "aria-labelledby": "attention" }, h("h2", { id: "attention", class: "hidden" }, t("needsAttention")), h("ul", { class: "attention" }, urgent.map(card))) : null,
    known.length > 0
      ? h("section", { "aria-labelledby": "paused" }, h("h2", { id: "paused" }, t("restsByHand")), h("ul", { class: "attention" }, known.map(card)))
      : null,
  ];
}

function runsOf(list, count, caption) {
  const columns = [
    { name: t("run"), kind: "key", cell: (run) => runLink(run) },
    { name: t("function"), kind: "main", cell: (run) => named(run.funcId, run.title) },
    { name: t("status"), cell: (run) => badge(run.status, run.isStoppedByHand) },
    { name: t("since"), cell: (run) => time(run.startTime ?? run.dueTime) },
  ];
  return [table(caption, columns, list, { key: (run) => `r${run.id}` }), count > list.length ? h("p", { class: "dim count" }, t("more", { n: number(count - list.length) })) : null];
}

export function view(data) {
  const going = [...data.running, ...data.queued];
  return [
    headline(data),
    data.functions === 0 && data.attentionCount === 0 ? empty(t("noFunctions"), t("noFunctions.do"), t("noFunctions.example")) : null,
    attention(data.attention),
    h("section", { "aria-labelledby": "day" }, h("h2", { id: "day" }, t("last24")), hours(data.hours)),
    h(
      "div",
      { class: "columns" },
      h(
        "section",
        { "aria-labelledby": "going" },
        h("h2", { id: "going" }, t("goesOn"), " ", h("span", { class: "dim" }, number(data.runningCount + data.queuedCount))),
        going.length > 0 ? runsOf(going, data.runningCount + data.queuedCount, t("goesOn")) : h("p", { class: "dim" }, t("nothingRuns")),
      ),
      h(
        "section",
        { "aria-labelledby": "next" },
        h("h2", { id: "next" }, t("comesNext")),
        data.next.length > 0
          ? table(
              t("comesNext"),
              [
                { name: t("function"), kind: "main", cell: (one) => named(one.funcId, one.title) },
                { name: t("nextRun"), cell: (one) => time(one.nextRun) },
              ],
              data.next.slice(0, 8),
              { key: (one) => `n${one.triggerId}` },
            )
          : h("p", { class: "dim" }, t("noTriggers")),
      ),
    ),
    h(
      "section",
      { "aria-labelledby": "nodes" },
      h("h2", { id: "nodes" }, t("processes")),
      table(
        t("processes"),
        [
          { name: t("process"), kind: "main", cell: (node) => [h("code", {}, node.id), node.isThis ? [" ", tag("rest", t("thisOne"))] : null] },
          { name: t("roles"), cell: (node) => node.roles.map((role) => t(`role.${role}`)).join(t("comma")) },
          { name: t("startedAt"), cell: (node) => time(node.startTime) },
          { name: t("heard"), cell: (node) => time(node.seenTime) },
        ],
        data.nodes,
        { key: (node) => node.id },
      ),
    ),
  ];
}
