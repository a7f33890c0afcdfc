// The page: which view is shown, when it is asked for anew, the token, the language, and what is done by buttons.

import { Failed, ask, get, hasToken, setToken } from "./api.js";
import { acts, draw, h } from "./dom.js";
import * as data from "./data.js";
import * as functions from "./functions.js";
import * as now from "./now.js";
import { failure, moment, now as serviceTime, setClock, tick, typed, zoneName } from "./parts.js";
import * as run from "./run.js";
import * as runs from "./runs.js";
import * as usage from "./usage.js";
import { language, setLanguage, t } from "./words.js";

const main = document.getElementById("main");
const notice = document.getElementById("notice");
const VIEWS = { now, functions, runs, data, usage };

/** What is shown: the view, its parameters, its data, and what to do when it is left. */
let shown = null;
let service = null;

function route() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const parameters = new URLSearchParams(search ?? "");
  const [name, id] = path.split("/");
  if (name === "run" && /^\d+$/.test(id ?? "")) {
    parameters.set("id", id);
    return { name: "run", view: run, parameters };
  }
  return { name: VIEWS[name] ? name : "now", view: VIEWS[name] ?? now, parameters };
}

function frame() {
  document.documentElement.lang = language();
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = t(element.dataset.word);
  const current = shown?.name === "run" ? "runs" : shown?.name;
  const nav = document.getElementById("nav");
  nav.setAttribute("aria-label", t("nav"));
  draw(
    nav,
    Object.keys(VIEWS).map((name) => h("a", { href: `#/${name}`, "aria-current": name === current ? "page" : null }, t(`nav.${name}`))),
  );
  const button = document.getElementById("language");
  button.textContent = t("otherLanguage");
  button.lang = t("otherLanguage.code");
  draw(document.getElementById("foot"), [
    h(
      "p",
      { class: "dim" },
      service ? [`funchost ${service.version}`, " · ", t("zone", { zone: zoneName() }), " · "] : null,
      // A link shows no token.
      hasToken()
        ? h("button", { type: "button", class: "link", "data-act": "forget-token" }, t("forgetToken"))
        : [h("a", { href: "openapi.json" }, t("api")), " · ", h("a", { href: "metrics" }, "Prometheus")],
    ),
  ]);
}

function say(words, kind = "good") {
  draw(notice, [h("p", { class: `toast ${kind}` }, words)]);
  clearTimeout(say.timer);
  // What went wrong stays until something else is said.
  if (kind === "good") say.timer = setTimeout(() => draw(notice, []), 6000);
}

function redraw() {
  if (!shown?.data) return;
  const stale = shown.error
    ? h("div", { class: "alert warn", role: "alert", "data-key": "stale" }, h("p", {}, shown.error.message), h("p", { class: "dim" }, t("stale", { time: moment(new Date(shown.at).toISOString(), false) })))
    : null;
  draw(main, [stale, ...shown.view.view(shown.data)]);
  document.title = `${shown.view.title(shown.data)} · funchost`;
  frame();
}

/** Asks for what is shown. */
async function load(mine) {
  const first = !mine.data;
  try {
    if (!service) {
      service = await get("service", mine.stop.signal);
      setClock(service.timezone, service.time);
    }
    const answer = await mine.view.load(mine.parameters, mine.stop.signal);
    if (shown !== mine) return;
    mine.data = answer;
    mine.error = null;
    mine.at = serviceTime();
  } catch (error) {
    if (error.name === "AbortError" || shown !== mine) return;
    if (!(error instanceof Failed)) throw error;
    if (error.status === 401) return askToken(error);
    mine.error = error;
    if (first) {
      draw(main, [h("h1", { tabindex: "-1" }, mine.view.title()), failure(error), h("button", { type: "button", "data-act": "again" }, t("tryAgain"))]);
      frame();
      return;
    }
  }
  redraw();
  if (first && mine.focus) main.querySelector("h1")?.focus({ preventScroll: true });
  if (mine.view.follow && !mine.following && mine.data) {
    mine.following = true;
    mine.view.follow(main, mine.data, mine.stop.signal, () => shown === mine && load(mine));
  }
}

/** Shows what the address says. */
function go(focus = true) {
  const next = route();
  shown?.stop.abort();
  const mine = { ...next, stop: new AbortController(), focus };
  const same = shown && shown.name === next.name && shown.parameters.get("id") === next.parameters.get("id");
  shown = mine;
  if (!same) {
    main.replaceChildren(h("p", { class: "dim loading" }, t("loading")));
    scrollTo(0, 0);
  } else {
    // A filter that is being used keeps the focus.
    mine.focus = focus && !main.contains(document.activeElement);
  }
  frame();
  load(mine);
}

async function refresh() {
  const mine = shown;
  const due = mine && document.visibilityState === "visible" && !mine.asking && !document.querySelector("dialog[open]") && !main.querySelector("form.token");
  if (!due || (mine.data && mine.view.ended?.(mine.data))) return;
  const wait = mine.error ? Math.max(mine.view.every_ms, 5000) : mine.view.every_ms;
  if (mine.at && serviceTime() - mine.at < wait && !mine.error) return;
  mine.asking = true;
  await load(mine);
  mine.asking = false;
}

/** The service wants a token. */
function askToken(error) {
  const wrong = hasToken();
  setToken(null);
  draw(main, [
    h(
      "form",
      { class: "card token", "data-submit": "token" },
      h("h1", { tabindex: "-1" }, t("token")),
      wrong ? h("div", { class: "alert bad", role: "alert" }, h("p", { class: "strong" }, t("token.wrong")), h("p", { class: "said" }, error.message)) : h("p", {}, t("token.why")),
      h("label", {}, h("span", {}, t("token")), h("input", { type: "password", name: "token", required: true, autocomplete: "current-password", spellcheck: "false" })),
      h("p", { class: "dim" }, typed(t("token.where"))),
      h("button", { type: "submit", class: "first" }, t("token.do")),
    ),
  ]);
  document.title = `${t("token")} · funchost`;
  frame();
  main.querySelector("input")?.focus();
}

acts.token = (form) => {
  const input = form.querySelector("input");
  setToken(input.value.trim());
  input.value = "";
  service = null;
  go();
};

acts["forget-token"] = () => {
  setToken(null);
  service = null;
  go();
};

acts.language = () => {
  setLanguage(language() === "zh" ? "en" : "zh");
  frame();
  if (main.querySelector("form.token")) go(false);
  else redraw();
};

acts.again = () => go(false);

acts.skip = (_, event) => {
  event.preventDefault();
  main.focus();
};

/** Does something, and says how it went. */
async function change(button, work) {
  if (button.getAttribute("aria-disabled") === "true") return;
  // Not `disabled`: the keyboard would lose its place.
  button.setAttribute("aria-disabled", "true");
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    if (error.status === 401) askToken(error);
    else say(error.message, "bad");
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

function begun(id) {
  say(t("begun", { id }));
  location.hash = `#/run/${id}`;
}

acts["run-trigger"] = (button) =>
  change(button, async () => begun((await ask("POST", `cron/${encodeURIComponent(button.dataset.id)}`)).data.id));

async function call(id, kwargs) {
  begun((await ask("POST", `async/${encodeURIComponent(id)}`, { body: { kwargs } })).data.id);
}

acts["call-again"] = (button) => change(button, () => call(button.dataset.id, JSON.parse(button.dataset.kwargs)));

acts.call = (button) => {
  const names = JSON.parse(button.dataset.kwargs);
  if (names.length === 0) return change(button, () => call(button.dataset.id, {}));
  const dialog = h(
    "dialog",
    { "aria-labelledby": "call" },
    h(
      "form",
      { "data-submit": "call-with", "data-id": button.dataset.id },
      h("h2", { id: "call" }, button.dataset.title),
      h("p", { class: "dim" }, t("argumentsHint")),
      names.map((name) => h("label", {}, h("code", {}, name), h("input", { name, autocomplete: "off", spellcheck: "false" }))),
      h("div", { class: "said-here" }),
      h("div", { class: "buttons" }, h("button", { type: "submit", class: "first" }, t("runNow")), h("button", { type: "button", "data-act": "close" }, t("cancel"))),
    ),
  );
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    button.isConnected && button.focus();
  });
  dialog.showModal();
};

/** A number, a list or the like where it can be read as JSON; else it is a text. */
function value(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

acts["call-with"] = async (form) => {
  const kwargs = Object.fromEntries([...new FormData(form)].map(([name, text]) => [name, value(text)]));
  try {
    await call(form.dataset.id, kwargs);
    form.closest("dialog").close();
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    draw(form.querySelector(".said-here"), [failure(error)]);
  }
};

acts.close = (button) => button.closest("dialog").close();

for (const [name, word] of [
  ["pause", "didPause"],
  ["resume", "didResume"],
]) {
  acts[name] = (button) =>
    change(button, async () => {
      const { id } = button.dataset;
      await ask("POST", `triggers/${encodeURIComponent(id)}/${name}`);
      say(t(word, { id }));
      await load(shown);
    });
}

acts.stop = (button) =>
  change(button, async () => {
    await ask("POST", `runs/${button.dataset.id}/stop`);
    say(t("didStop"));
    await load(shown);
  });

addEventListener("hashchange", () => go());
document.addEventListener("visibilitychange", refresh);
setInterval(() => {
  tick();
  refresh();
}, 1000);
go(false);
