// Charts: SVG of our own. What a chart shows stands beside it as a table, for who cannot see it.

import { h, s } from "./dom.js";
import { hour, number } from "./parts.js";
import { t } from "./words.js";

const KINDS = [
  ["good", ["success"]],
  ["warn", ["skip", "missed"]],
  ["bad", ["failure", "timeout", "interrupted", "expired"]],
  ["busy", ["running", "queued"]],
];

function count(runs, words) {
  return words.reduce((sum, word) => sum + (runs[word] ?? 0), 0);
}

/** A round number at or above. */
function roof(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

/** The last 24 hours, hour by hour. */
export function hours(list) {
  const width = 720;
  const height = 120;
  const top = Math.max(1, ...list.map(({ runs }) => count(runs, Object.keys(runs))));
  const step = width / list.length;
  const bars = list.map(({ hour: at, runs }, index) => {
    let y = height;
    return KINDS.map(([kind, words]) => {
      const some = count(runs, words);
      if (some === 0) return null;
      // What failed once among thousands must still be seen.
      const size = Math.max(3, (some / top) * (height - 4));
      y -= size;
      return s(
        "rect",
        { class: `bar ${kind}`, x: (index * step + 1.5).toFixed(1), y: Math.max(0, y).toFixed(1), width: (step - 3).toFixed(1), height: size.toFixed(1), rx: 1.5 },
        s("title", {}, `${hour(at)} ${t(`chart.${kind}`)}: ${number(some)}`),
      );
    });
  });
  const sums = KINDS.map(([kind, words]) => [kind, list.reduce((sum, { runs }) => sum + count(runs, words), 0)]);
  const points = list.reduce((sum, one) => sum + one.points, 0);
  const words = sums.filter(([, sum]) => sum > 0).map(([kind, sum]) => `${t(`chart.${kind}`)} ${number(sum)}`);
  return h(
    "figure",
    { class: "chart" },
    h(
      "figcaption",
      {},
      h("span", { class: "legend" }, sums.map(([kind, sum]) => h("span", { class: "key" }, h("span", { class: `dot ${kind}`, "aria-hidden": "true" }), t(`chart.${kind}`), " ", h("b", {}, number(sum))))),
      h("span", { class: "dim" }, t("pointsDelivered", { n: number(points) })),
    ),
    s(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": `${t("last24")}: ${words.join(", ") || t("noRuns")}` },
      s("line", { class: "axis", x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }),
      bars,
    ),
    h(
      "div",
      { class: "scale dim", "aria-hidden": "true" },
      [0, 6, 12, 18, 23].map((index) => h("span", {}, list[index] ? hour(list[index].hour) : "")),
    ),
  );
}

/**
 * Units of a month, or what they cost, day after day, against what is free and what is allowed. `worth` makes of a sum of units what is
 * drawn, `shown` its text.
 */
export function month({ days, today, marks, label, ahead, worth = (units) => units, shown = number }) {
  const width = 720;
  const height = 220;
  let units = 0;
  const sums = days.slice(0, today).map((day) => worth((units += day.units)));
  // The day that goes on counts as half of one.
  const projected = worth(Math.round((units / Math.max(0.5, today - 0.5)) * days.length));
  const last = sums.at(-1) ?? 0;
  const lines = marks.filter(([, value]) => value > 0);
  // What is much further away would press the curve flat: its line stands at the upper edge, and the legend says so.
  const most = Math.max(projected, last);
  const near = lines.filter(([, value]) => value < 4 * most).map(([, value]) => value);
  const top = roof(Math.max(most, ...(most > 0 ? near : lines.map(([, value]) => value)), shown === number ? 1 : 0.01) * 1.02);
  const x = (day) => (day / days.length) * width;
  const y = (value) => Math.max(1.5, height - (value / top) * height);
  const path = sums.map((value, index) => `L${x(index + 1).toFixed(1)} ${y(value).toFixed(1)}`).join(" ");
  const mark = ([kind, value]) => (value > top ? t("mark.above", { mark: t(`mark.${kind}`) }) : t(`mark.${kind}`));
  return h(
    "figure",
    { class: "chart month" },
    h("figcaption", {}, h("span", {}, label), h("span", { class: "dim" }, ahead(projected))),
    h(
      "div",
      { class: "plot" },
      s(
        "svg",
        { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": [`${label}: ${shown(last)}`, ahead(projected), ...lines.map((line) => `${mark(line)} ${shown(line[1])}`)].join("; ") },
        [0.25, 0.5, 0.75].map((part) => s("line", { class: "grid", x1: 0, x2: width, y1: height * part, y2: height * part })),
        s("path", { class: "area", d: `M0 ${height} ${path} L${x(sums.length).toFixed(1)} ${height} Z` }),
        s("path", { class: "line", d: `M0 ${height} ${path}` }),
        s("path", { class: "line ahead", d: `M${x(sums.length).toFixed(1)} ${y(last).toFixed(1)} L${width} ${y(projected).toFixed(1)}` }),
        lines.map(([kind, value]) => s("line", { class: `mark ${kind}`, x1: 0, x2: width, y1: y(value).toFixed(1), y2: y(value).toFixed(1) })),
        s("line", { class: "axis", x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }),
      ),
      h("span", { class: "top dim", "aria-hidden": "true" }, shown(top)),
    ),
    h(
      "div",
      { class: "scale dim", "aria-hidden": "true" },
      [1, Math.round(days.length / 2), days.length].map((day) => h("span", {}, t("dayOf", { day: number(day) }))),
    ),
    h("p", { class: "legend" }, lines.map((line) => h("span", { class: "key" }, h("span", { class: `dash ${line[0]}`, "aria-hidden": "true" }), mark(line), " ", h("b", {}, shown(line[1]))))),
  );
}

/** How much of a limit is used. */
export function meter(used, limit, label, shown = number) {
  const share = limit > 0 ? used / limit : 1;
  const kind = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "good";
  const percent = share > 0 && share < 0.001 ? "< 0.1 %" : `${number(share * 100, share < 0.1 ? 1 : 0)} %`;
  return h(
    "div",
    { class: "meter" },
    h("div", { class: "words" }, h("span", {}, label), h("b", {}, percent)),
    s(
      "svg",
      { viewBox: "0 0 100 4", preserveAspectRatio: "none", role: "img", "aria-label": `${label}: ${percent}` },
      s("rect", { class: "track", width: 100, height: 4 }),
      s("rect", { class: `bar ${kind}`, width: Math.max(share > 0 ? 0.7 : 0, Math.min(100, share * 100)).toFixed(2), height: 4 }),
    ),
    h("div", { class: "dim" }, t("usedOf", { used: shown(used), limit: shown(limit) })),
  );
}
