// What a reader of the console does and sees. Started by tests/console.rs, which tells where everything is.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const told = JSON.parse(process.env.FUNCHOST_CONSOLE);
const require = createRequire(join(told.modules, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const WIDTHS = { 390: 844, 1440: 900 };
const LANGUAGES = { en: "en-US", zh: "zh-CN" };
const SCHEMES = ["light", "dark"];

const browser = await chromium.launchPersistentContext(told.profile, {
  executablePath: told.chromium,
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
  locale: "en-US",
  viewport: { width: 1440, height: 900 },
});
const bodies = [];
const faults = [];
let expected = null;

const laps = [];
let lapped = performance.now();

/** What a part took, for who wants to make this faster. */
function lap(name) {
  const now = performance.now();
  laps.push(`${name} ${((now - lapped) / 1000).toFixed(1)} s`);
  lapped = now;
}

/** A page that is watched: what it asks for, what comes back, what goes wrong. */
async function open(origin) {
  const page = await browser.newPage();
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin) faults.push(`a request left the origin: ${request.url()}`);
  });
  page.on("response", async (response) => {
    const body = await response.text().catch(() => "");
    bodies.push([response.url(), `${JSON.stringify(response.headers())}${body}`]);
  });
  page.on("pageerror", (error) => faults.push(`the page broke: ${error.stack}`));
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    // A browser says of each answer that is no success that it is none.
    if (expected?.test(message.text())) return;
    if (message.location().url.endsWith("/runs/99999999") && /404/.test(message.text())) return;
    faults.push(`the console says: ${message.text()} ${JSON.stringify(message.location())}`);
  });
  page.on("dialog", (dialog) => faults.push(`a script of another ran: ${dialog.message()}`));
  return page;
}

function sound() {
  assert.deepEqual(faults, []);
}

async function noSecret(page) {
  const dom = await page.content();
  const values = await page.evaluate(() => [...document.querySelectorAll("input")].map((input) => input.value).join("\n"));
  for (const secret of told.secrets) {
    assert.ok(!dom.includes(secret) && !values.includes(secret), "a secret is in the page");
  }
}

async function go(page, route) {
  await page.evaluate((to) => {
    location.hash = to;
  }, route);
  await page.waitForFunction(() => document.querySelector("main h1") && !document.querySelector("main .loading"));
}

const heading = (page) => page.locator("main h1").innerText();

/** Goes by the keyboard alone to what is wanted, as somebody without a mouse. */
async function tabTo(page, selector) {
  for (let step = 0; step < 150; step += 1) {
    if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) {
      const outlined = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== "none");
      assert.ok(outlined, `${selector} does not show that it has the focus`);
      return;
    }
    await page.keyboard.press("Tab");
  }
  assert.fail(`the keyboard does not reach ${selector}`);
}

lap("chromium");
const origin = new URL(told.url).origin;
const page = await open(origin);

// The token: asked for, wrong, right.
expected = /401/;
await page.goto(told.url);
await page.waitForSelector("form.token");
assert.equal(await page.evaluate(() => document.activeElement.name), "token");
await page.keyboard.type("a-token-that-is-wrong");
await page.keyboard.press("Enter");
await page.getByText("That was not the right token.").waitFor();
await page.getByText("the token is not the right one").waitFor();
await shots(page, "token", ["en"]);
await page.keyboard.type(told.token);
await page.keyboard.press("Enter");
await page.waitForSelector(".headline");
expected = null;
assert.equal(await page.evaluate(() => sessionStorage.length), 1);
assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes("oken")), false, "the token is not kept for ever");

lap("the token");
// At a glance: what is wrong comes first.
const kinds = await page.locator(".attention [data-kind]").evaluateAll((all) => all.map((one) => one.dataset.kind));
assert.deepEqual([...kinds].sort(), ["idle", "script"], "what is wrong at the start");
assert.match(await heading(page), /Needs attention: 2/);
await page.getByText("did you mean `my_aws__main.run`").first().waitFor();

// By the keyboard alone: to the functions, to the button, and off it goes.
await tabTo(page, 'nav a[href="#/functions"]');
await page.keyboard.press("Enter");
await page.waitForSelector(".function");
await tabTo(page, '[data-trigger="assets"] button[data-act="run-trigger"]');
await page.keyboard.press("Enter");
await page.waitForFunction(() => location.hash.startsWith("#/run/"));
const good = Number((await page.evaluate(() => location.hash)).split("/").at(-1));

// Its log grows while it runs.
const lines = () => page.locator(".log .line").count();
const running = () => page.locator('main .head [data-status="running"]').count();
await page.getByText("step 1 of 4").waitFor();
await page.locator('main .head [data-status="running"]').waitFor();
const early = await lines();
assert.equal(await running(), 1, "the log is seen while the run goes on");
await page.getByText("step 3 of 4").waitFor();
assert.ok((await lines()) > early && (await running()) === 1, "and it grows");
await page.locator('main .head [data-status="success"]').waitFor();
await page.getByText("all said").waitFor();
assert.match(await page.locator(".log .line .prefix").first().innerText(), /^\[\d\d-\d\d \d\d:\d\d:\d\d\] \[\+\d+ms\] \[\d+ms\]$/);

// Its collectors and its points.
const collectors = page.locator("section[aria-labelledby=collectors]");
assert.deepEqual(await collectors.locator("tbody td.main").allInnerTexts(), ["aws_ec2", "aws_cloudwatch"]);
const columns = await collectors.locator("thead th").allInnerTexts();
for (const column of ["Calls", "Points", "Took", "Skipped until"]) assert.ok(columns.includes(column), column);
const samples = page.locator("section[aria-labelledby=samples]");
assert.ok((await samples.locator("tbody tr").count()) >= 6, "its points");
for (const column of ["CPUUtilization_Average", "InstanceId", "account_name"]) {
  assert.ok((await samples.locator("th", { hasText: new RegExp(`^${column}$`) }).count()) > 0, column);
}
await samples.getByText("我的AWS账号").first().waitFor();
await collectors.locator("summary").first().click();
await page.getByText("ec2:DescribeInstances").waitFor();

lap("a run");
// Again: nothing is due, and it says until when.
await page.locator('main button[data-act="run-trigger"]').click();
await page.waitForFunction((before) => location.hash !== `#/run/${before}`, good);
await page.locator('main .head [data-status="success"]').waitFor();
await collectors.locator('tr:has-text("aws_ec2")', { hasText: "skipped" }).waitFor();
assert.match(await collectors.locator('tr:has-text("aws_ec2") time').innerText(), /^in \d+ min/);

// A failure is shown whole, and no markup of it is obeyed.
await go(page, "#/functions");
await tabTo(page, '[data-trigger="fails"] button[data-act="run-trigger"]');
await page.keyboard.press("Enter");
await page.locator('main .head [data-status="failure"]').waitFor();
const failed = await page.evaluate(() => location.hash);
const error = await page.locator(".errors pre").innerText();
assert.match(error, /^error: the cloud refused \*+: <b>not<\/b> allowed/);
assert.match(error, /--> my_aws\/main\.rhai:\d+:\d+/);
assert.match(error, /throw `the cloud refused/);
assert.equal(await page.locator("main img, main b b").count(), 0);
await page.getByText("the key is *").waitFor();
await noSecret(page);
await go(page, "#/now");
await page.locator('[data-kind="failed"] [data-status="failure"]').waitFor();
assert.equal(await page.locator(".attention [data-kind]").first().getAttribute("data-kind"), "failed", "what has failed stands first");

lap("again, and a failure");
// Arguments: asked for in a dialog; what the API says is shown where it was asked.
await go(page, "#/functions?q=greet");
assert.equal(await page.locator(".function").count(), 1, "the search");
await tabTo(page, '[data-func="my_aws__main.greet"] button[data-act="call"]');
await page.keyboard.press("Enter");
await page.waitForSelector("dialog[open]");
await page.keyboard.type("王");
await page.keyboard.press("Tab");
await page.keyboard.type("2");
await page.keyboard.press("Enter");
await page.locator('main .head [data-status="success"]').waitFor();
assert.match(await page.locator("section[aria-labelledby=result] pre").innerText(), /"greeting": "hi 王",\s+"times": 3/);

lap("arguments");
// Stop.
await go(page, "#/functions?q=long");
await page.locator('[data-func="my_aws__main.long"] button[data-act="call"]').click();
await page.getByText("begun", { exact: true }).waitFor();
await page.locator('main button[data-act="stop"]').click();
await page.locator('main .head [data-status="interrupted"]').waitFor({ timeout: 40000 });

lap("stop");
// Pause survives a reload, and so does resume.
await go(page, "#/functions");
const assets = page.locator('[data-trigger="assets"]');
await tabTo(page, '[data-trigger="assets"] button[data-act="pause"]');
await page.keyboard.press("Enter");
await assets.locator('button[data-act="resume"]').waitFor();
await assets.getByText("paused").waitFor();
await page.reload();
await assets.getByText("paused").waitFor();
await go(page, "#/now");
await page.locator('[data-kind="paused"]').waitFor();
await go(page, "#/functions");
await assets.locator('button[data-act="resume"]').click();
await assets.locator('button[data-act="pause"]').waitFor();
await page.reload();
await assets.locator('button[data-act="pause"]').waitFor();
await assets.locator("time").first().waitFor();

lap("pause");
// Filters.
await go(page, "#/runs");
await page.locator("select[name=status]").selectOption("failure");
await page.waitForFunction(() => location.hash.includes("status=failure"));
await page.waitForFunction(() => [...document.querySelectorAll("main tbody [data-status]")].every((one) => one.dataset.status === "failure"));
assert.ok((await page.locator("main tbody tr").count()) > 3);
await page.locator("select[name=origin]").selectOption("manual");
await page.waitForFunction(() => document.querySelectorAll("main tbody tr").length === 1);
await page.locator(`main tbody a[href="${failed}"]`).first().waitFor();
await page.locator("select[name=func]").selectOption("my_aws__main.greet");
await page.getByText("No run fits").waitFor();
await page.getByText("Clear the filters").click();
// A run from the command line is one like any other.
await page.locator("select[name=origin]").selectOption("command");
await page.waitForFunction(() => document.querySelectorAll("main tbody tr").length === 1);
await page.locator("main tbody tr", { hasText: "command line" }).waitFor();
await page.getByText("Clear the filters").click();
await page.locator("select[name=span]").selectOption("1h");
await page.waitForFunction(() => document.querySelectorAll("main tbody tr").length < 15 && location.hash.includes("span=1h"));
await go(page, "#/runs");
const first = await page.locator("main tbody tr").first().getAttribute("data-key");
await page.getByRole("link", { name: "Next" }).click();
await page.waitForFunction((before) => document.querySelector("main tbody tr").dataset.key !== before, first);

lap("filters");
// What is remembered, and what it costs.
await go(page, "#/data");
await page.locator("section[aria-labelledby=objects] tr", { hasText: "aws_ec2" }).first().waitFor();
await page.getByText("Nothing waits").waitFor();
await go(page, "#/usage");
assert.equal(await page.locator(".account").count(), 2);
await page.getByText("CN¥").first().waitFor();
await page.getByText("Of the budget").first().waitFor();
await page.getByText("Of the free quota").waitFor();
await page.locator(".account path.line").first().waitFor({ state: "attached" });
// Of each account what is metered and what it costs, and every limit in both, however far it is.
const usage = await page.evaluate(() => [...document.querySelectorAll(".account")].map((account) => [...account.querySelectorAll(".chart.month")].map((chart) => chart.querySelectorAll("line.mark").length)));
assert.ok(usage.flat().length >= 3, JSON.stringify(usage));
for (const counts of usage) assert.ok(counts.every((count) => count >= 1), JSON.stringify(usage));

// A run that is not there: what the API says.
await go(page, "#/run/99999999");
await page.getByText("there is no run 99999999").waitFor();
await noSecret(page);
sound();

lap("data and usage");
// Every text is there twice.
const words = await page.evaluate(async () => (await import("/console/words.js")).WORDS);
const source = bodies.filter(([url]) => url.endsWith(".js")).map(([, body]) => body).join("\n");
for (const [, key] of source.matchAll(/\bt\("([^"]+)"/g)) assert.ok(words[key], `no text for ${key}`);
const holes = (text) => (text.match(/\{\w+\}/g) ?? []).sort().join();
for (const [key, [en, zh]] of Object.entries(words)) {
  assert.ok(en?.trim() && zh?.trim(), `${key} lacks a language`);
  assert.equal(holes(en), holes(zh), `${key} has other holes in the other language`);
  if (key !== "otherLanguage") assert.ok(!/[\u4e00-\u9fff]/.test(en), `${key} is Chinese in English`);
}

const VIEWS = {
  now: "#/now",
  functions: "#/functions",
  runs: "#/runs",
  run: `#/run/${good}`,
  failed,
  data: "#/data",
  usage: "#/usage",
};

/** Looks at what is shown as it is: at each width, in each scheme, with and for those who see it otherwise. */
async function judge(page, name, schemes = () => SCHEMES) {
  for (const [width, height] of Object.entries(WIDTHS)) {
    await page.setViewportSize({ width: Number(width), height });
    const over = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${name} scrolls sideways by ${over} at ${width}`);
    const broken = await page.evaluate(() => [...document.querySelectorAll("td.key a")].filter((link) => link.getClientRects().length > 1).map((link) => link.innerText));
    assert.deepEqual(broken, [], `${name} has numbers of runs over two lines at ${width}`);
    for (const scheme of schemes(width)) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      const found = await page.evaluate(async () => {
        const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
        return violations
          .filter(({ impact }) => impact === "serious" || impact === "critical")
          .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join(" | ")}`);
      });
      assert.deepEqual(found, [], `${name} at ${width}, ${scheme}`);
    }
  }
}

async function shots(page, name, languages = Object.keys(LANGUAGES)) {
  for (const language of languages) {
    for (const [width, height] of Object.entries(WIDTHS)) {
      await page.setViewportSize({ width: Number(width), height });
      await page.emulateMedia({ colorScheme: "light" });
      await page.screenshot({ path: join(told.screenshots, `${name}-${language}-${width}.png`), fullPage: true });
    }
  }
}

/** No text of the other language is left. */
async function monolingual(page, language, name) {
  const other = language === "en" ? 1 : 0;
  const foreign = Object.values(words)
    .filter(([en, zh]) => en !== zh)
    .map((pair) => pair[other])
    .filter((text) => !holes(text));
  const left = await page.evaluate((foreign) => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (element.closest("#language, code, pre, noscript, .log, .title, .said, .samples")) continue;
      if (foreign.includes(walker.currentNode.data.trim())) found.push(walker.currentNode.data.trim());
    }
    return found;
  }, foreign);
  assert.deepEqual(left, [], `${name} in ${language} has texts of the other language`);
  assert.equal(await page.evaluate(() => document.documentElement.lang), language);
}

lap("words");
await page.evaluate(axe);
for (const language of Object.keys(LANGUAGES)) {
  if ((await page.evaluate(() => document.documentElement.lang)) !== language) await page.locator("#language").click();
  for (const [name, route] of Object.entries(VIEWS)) {
    await go(page, route);
    await page.waitForSelector("main section, main table, main .card");
    if (route.startsWith("#/run/")) await page.waitForSelector(".log .line");
    await monolingual(page, language, name);
    // Colours are the same in both languages: in the second one scheme at each width is enough.
    await judge(page, name, language === "en" ? undefined : (width) => [width === "390" ? "dark" : "light"]);
    await shots(page, name, [language]);
    await noSecret(page);
  }
}
lap("seven views in two languages");
// The language is remembered.
await page.reload();
await page.waitForSelector("main h1");
assert.equal(await page.evaluate(() => document.documentElement.lang), "zh");
await page.emulateMedia({ colorScheme: "dark" });
await page.setViewportSize({ width: 1440, height: 900 });
await go(page, "#/now");
await page.waitForSelector(".headline");
await page.screenshot({ path: join(told.screenshots, "now-dark-1440.png"), fullPage: true });
await go(page, "#/usage");
await page.screenshot({ path: join(told.screenshots, "usage-dark-1440.png"), fullPage: true });
sound();
await page.close();

lap("dark");
// Nothing there yet: each view says what to do.
const bare = await open(new URL(told.empty).origin);
await bare.goto(told.empty);
await bare.waitForSelector(".headline");
await bare.evaluate(axe);
assert.equal(await bare.evaluate(() => document.documentElement.lang), "en", "from the browser, where nothing was chosen");
for (const [name, route, words] of [
  ["now", "#/now", "scripts/<set>/<name>.rhai"],
  ["functions", "#/functions", "scripts/<set>/<name>.rhai"],
  ["runs", "#/runs", "No run yet"],
  ["data", "#/data", "No object yet"],
  ["usage", "#/usage", "No call this month"],
]) {
  await go(bare, route);
  await bare.getByText(words).first().waitFor();
  // Their parts were judged in both schemes above.
  await judge(bare, `empty ${name}`, (width) => [width === "390" ? "dark" : "light"]);
  await shots(bare, `empty-${name}`, ["en"]);
}
sound();
await browser.close();

lap("empty");
for (const [url, body] of bodies) {
  for (const secret of told.secrets) assert.ok(!body.includes(secret), `a secret came with ${url}`);
}
assert.ok(bodies.length > 200, `${bodies.length} answers were looked at`);
const policy = bodies.find(([url]) => url === told.url)[1];
for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) {
  assert.ok(policy.includes(part), part);
}
console.log(`${bodies.length} answers, no secret in any; ${Object.keys(words).length} texts in two languages`);
lap("answers");
console.log(laps.join(", "));
