// Functions with their triggers: when they run next, how they ended, how often they should run and do. Run, pause, resume.

import { ask, query } from "./api.js";
import { acts, h } from "./dom.js";
import { badge, duration, empty, every, inWords, pager, runLink, said, tag, time } from "./parts.js";
import { t } from "./words.js";

export const every_ms = 5000;

export function title() {
  return t("nav.functions");
}

const SIZE = 20;

export async function load(parameters, signal) {
  const page = Number(parameters.get("page")) || 1;
  const words = parameters.get("q") ?? "";
  const [functions, triggers, scripts] = await Promise.all([
    ask("GET", `functions?${query({ pageNumber: page, pageSize: SIZE, _fuzzySearch: words })}`, { signal }),
    // Those that cannot fire stand at the end of the list.
    ask("GET", "service", { signal }).then(({ data }) => (data.idleTriggers > 0 ? ask("GET", "triggers", { signal }) : { data: [] })),
    ask("GET", "scripts", { signal }),
  ]);
  return {
    words,
    functions: functions.data,
    info: functions.pageInfo,
    idle: triggers.data.filter((trigger) => trigger.problem),
    problems: scripts.data.filter((script) => script.problem),
  };
}

function cadence(trigger) {
  if (!trigger.configuredSeconds) return null;
  const effective = trigger.effectiveSeconds;
  return h(
    "dd",
    { class: "cadence" },
    every(trigger.configuredSeconds),
    effective === null
      ? h("span", { class: "line dim" }, t("notMeasured"))
      : h("span", { class: `line ${trigger.isSlow ? "slow" : "dim"}` }, t("inFact", { time: duration(effective * 1000) })),
  );
}

function triggerOf(trigger, title) {
  const rests = trigger.isPaused || trigger.isDisabled;
  const name = `${title} ${trigger.id}`;
  return h(
    "li",
    { class: "trigger", "data-key": trigger.id, "data-trigger": trigger.id },
    h(
      "dl",
      {},
      h("div", {}, h("dt", {}, t("trigger")), h("dd", {}, h("code", { class: "id" }, trigger.id), trigger.isFixed ? h("span", { class: "line dim" }, t("ownCrontab")) : null)),
      h("div", {}, h("dt", {}, t("crontab")), h("dd", {}, h("code", {}, trigger.crontab), h("span", { class: "line dim" }, trigger.timezone))),
      h(
        "div",
        {},
        h("dt", {}, t("nextRun")),
        h("dd", {}, trigger.isDisabled ? tag("rest", t("disabled")) : trigger.isPaused ? tag("warn", t("paused")) : trigger.nextRun ? time(trigger.nextRun) : t("never"), trigger.isLate ? [" ", tag("bad", t("late"))] : null),
      ),
      h("div", {}, h("dt", {}, t("cadence")), cadence(trigger) ?? h("dd", {}, "–")),
      h("div", {}, h("dt", {}, t("lastResult")), h("dd", {}, lastRun(trigger.lastRun))),
    ),
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", "data-act": "run-trigger", "data-id": trigger.id, "aria-label": t("runNow.of", { name }) }, t("runNow")),
      trigger.isDisabled
        ? null
        : h(
            "button",
            { type: "button", "data-act": rests ? "resume" : "pause", "data-id": trigger.id, "aria-label": t(rests ? "resume.of" : "pause.of", { name }) },
            t(rests ? "resume" : "pause"),
          ),
    ),
  );
}

function lastRun(run) {
  if (!run) return h("span", { class: "dim" }, t("neverRan"));
  return [badge(run.status, run.isStoppedByHand), " ", runLink(run), " ", h("span", { class: "line dim" }, time(run.endTime ?? run.createTime))];
}

function functionOf(one) {
  const title = one.title || one.id;
  return h(
    "li",
    { class: "card function", "data-key": one.id, "data-func": one.id },
    h(
      "div",
      { class: "head" },
      h("h2", {}, title),
      one.title ? h("code", { class: "dim id" }, one.id) : null,
      h("a", { class: "push", href: `#/runs?${query({ func: one.id })}` }, t("itsRuns")),
    ),
    one.problem ? h("div", { class: "alert warn" }, h("p", {}, t("kind.script.old")), said(one.problem)) : null,
    one.triggers.length > 0
      ? h("ul", { class: "triggers" }, one.triggers.map((trigger) => triggerOf(trigger, title)))
      : h("p", { class: "dim" }, t("noTrigger"), " ", h("span", {}, lastRun(one.lastRun))),
    h(
      "div",
      { class: "buttons" },
      one.triggers.length > 0 && one.kwargs.length === 0
        ? null
        : h(
            "button",
            { type: "button", "data-act": "call", "data-id": one.id, "data-title": title, "data-kwargs": JSON.stringify(one.kwargs), "aria-label": t(one.kwargs.length > 0 ? "runWith.of" : "runNow.of", { name: title }) },
            t(one.kwargs.length > 0 ? "runWith" : "runNow"),
          ),
    ),
  );
}

export function view(data) {
  const none = data.info.totalCount === 0;
  return [
    h("h1", { tabindex: "-1" }, t("nav.functions")),
    h(
      "form",
      { class: "filters", role: "search", "data-submit": "search-functions" },
      h("label", {}, h("span", {}, t("search")), h("input", { type: "search", name: "q", value: data.words, placeholder: t("search.hint"), autocomplete: "off", spellcheck: "false" })),
      h("button", { type: "submit" }, t("search.do")),
    ),
    data.problems.length > 0
      ? h(
          "section",
          { "aria-labelledby": "problems" },
          h("h2", { id: "problems" }, t("brokenScripts")),
          data.problems.map((script) =>
            h("div", { class: "card bad", "data-key": script.id ?? script.file }, h("h3", {}, h("code", {}, script.id ?? script.file)), h("p", {}, t(script.isPublished ? "kind.script.old" : "kind.script")), said(script.problem)),
          ),
        )
      : null,
    data.idle.length > 0
      ? h(
          "section",
          { "aria-labelledby": "idle" },
          h("h2", { id: "idle" }, t("idleTriggers")),
          data.idle.map((trigger) => h("div", { class: "card bad", "data-key": trigger.id }, h("h3", {}, h("code", {}, trigger.id)), said(inWords(trigger.problem, trigger.problemTold)))),
        )
      : null,
    none && data.words ? empty(t("noMatch", { words: data.words })) : null,
    none && !data.words ? empty(t("noFunctions"), t("noFunctions.do"), t("noFunctions.example")) : null,
    h("ul", { class: "functions" }, data.functions.map(functionOf)),
    none ? null : pager(data.info, (page) => `#/functions?${query({ q: data.words, page })}`),
  ];
}

acts["search-functions"] = (form) => {
  location.hash = `#/functions?${query({ q: new FormData(form).get("q").trim() })}`;
};
