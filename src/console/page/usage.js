// Calls and money of this month, against quota and budget.

import { get } from "./api.js";
import { meter, month } from "./chart.js";
import { h } from "./dom.js";
import { empty, money, number, table } from "./parts.js";
import { t } from "./words.js";

export const every_ms = 30000;

export function title() {
  return t("nav.usage");
}

export function load(_, signal) {
  return get("usage", signal);
}

function cost(priced) {
  if (priced.cost === null) return h("span", { class: "dim" }, t("noPrice"));
  if (priced.cost === 0) return t("freeOfCharge");
  return h("b", {}, money(priced.cost, priced.currency));
}

/** What is metered, and where its price is known what it costs: each against what is free and what is allowed. */
function charts({ days, budget }, { action, unit, free, price }, today) {
  const units = month({
    days,
    today,
    marks: [
      ["free", free],
      ["budget", budget?.limit ?? 0],
    ],
    label: `${action} · ${t(`counted.${unit}`)}`,
    ahead: (n) => t("projected", { n: number(n), unit: t(`unit.${unit}`) }),
  });
  if (!price) return units;
  const shown = (amount) => money(amount, price.currency);
  const worth = (count) => (Math.max(0, count - free) / Math.max(1, price.per)) * price.amount;
  const costs = month({
    days,
    today,
    marks: [["budget", budget ? worth(budget.limit) : 0]],
    label: `${action} · ${t("money")}`,
    ahead: (amount) => t("projected.money", { money: shown(amount) }),
    worth,
    shown,
  });
  return [units, costs];
}

function account(one, data) {
  const metered = one.priced.find((priced) => priced.metered);
  const budget = one.budget;
  const known = one.priced.filter((priced) => priced.cost !== null && priced.cost > 0);
  const total = known.reduce((sum, priced) => sum + priced.cost, 0);
  return h(
    "section",
    { class: "card account", "data-key": one.account, "aria-label": one.account },
    h("div", { class: "head" }, h("h2", {}, h("code", {}, one.account)), one.priceList ? h("span", { class: "dim" }, t("priceList", { name: one.priceList })) : null),
    h(
      "dl",
      { class: "facts" },
      h("div", {}, h("dt", {}, t("calls")), h("dd", { class: "large" }, number(one.calls))),
      h("div", {}, h("dt", {}, t("money")), h("dd", { class: "large" }, known.length > 0 ? money(total, known[0].currency) : one.priced.some((priced) => priced.cost === null) || !one.priceList ? t("noPrice") : t("freeOfCharge"))),
      metered ? h("div", {}, h("dt", {}, t(`billed.${metered.unit}`)), h("dd", { class: "large" }, number(metered.used))) : null,
    ),
    one.budgetProblem ? h("div", { class: "alert bad" }, h("p", { class: "said" }, one.budgetProblem)) : null,
    metered && metered.free > 0 ? meter(metered.used, metered.free, t("ofFree")) : null,
    budget ? meter(budget.used, budget.limit, budget.money ? t("ofBudget.money", { money: budget.money }) : t("ofBudget")) : h("p", { class: "dim" }, t("noBudget")),
    metered ? charts(one, metered, data.today) : null,
    one.priceList ? null : h("p", { class: "dim" }, t("noPriceList")),
    one.priced.length > 0
      ? table(
          t("charged"),
          [
            { name: t("action"), kind: "main", cell: (priced) => h("code", {}, priced.action) },
            { name: t("used"), kind: "number", cell: (priced) => `${number(priced.used)} ${t(`unit.${priced.unit}`)}` },
            { name: t("free"), kind: "number", cell: (priced) => number(priced.free) },
            { name: t("price"), cell: (priced) => (priced.price ? t("pricePer", { money: `${priced.price.currency} ${priced.price.amount}`, per: number(priced.price.per) }) : t("noPrice")) },
            { name: t("cost"), kind: "number", cell: cost },
          ],
          one.priced,
          { key: (priced) => priced.action },
        )
      : null,
    h(
      "details",
      { class: "more" },
      h("summary", {}, t("allActions", { n: number(one.actions.length) })),
      table(
        t("calls"),
        [
          { name: t("action"), kind: "main", cell: (action) => h("code", {}, action.action) },
          { name: t("count"), kind: "number", cell: (action) => number(action.count) },
        ],
        one.actions,
        { key: (action) => action.action },
      ),
    ),
    h(
      "details",
      { class: "more" },
      h("summary", {}, t("dayByDay")),
      table(
        t("dayByDay"),
        [
          { name: t("day"), kind: "main", cell: (day) => day.day },
          { name: t("calls"), kind: "number", cell: (day) => number(day.calls) },
          metered ? { name: t(`billed.${metered.unit}`), kind: "number", cell: (day) => number(day.units) } : null,
        ].filter(Boolean),
        one.days.slice(0, data.today),
        { key: (day) => day.day },
      ),
    ),
  );
}

export function view(data) {
  return [
    h("h1", { tabindex: "-1" }, t("usageOf", { month: data.month })),
    h("p", { class: "dim" }, t("usage.what")),
    data.accounts.length === 0 ? empty(t("noCalls"), t("noCalls.do")) : data.accounts.map((one) => account(one, data)),
  ];
}
