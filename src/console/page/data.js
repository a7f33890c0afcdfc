// What is remembered and what waits: objects and the outbox.

import { get } from "./api.js";
import { meter } from "./chart.js";
import { h } from "./dom.js";
import { bytes, empty, number, table, time, typed } from "./parts.js";
import { t } from "./words.js";

export const every_ms = 15000;

export function title() {
  return t("nav.data");
}

export async function load(_, signal) {
  const [objects, outbox] = await Promise.all([get("objects", signal), get("outbox", signal)]);
  return { objects, outbox };
}

export function view({ objects, outbox }) {
  const waits = outbox.some(({ points }) => points > 0);
  return [
    h("h1", { tabindex: "-1" }, t("nav.data")),
    h(
      "section",
      { "aria-labelledby": "outbox" },
      h("h2", { id: "outbox" }, t("outbox")),
      h("p", { class: "dim" }, t("outbox.what")),
      table(
        t("outbox"),
        [
          { name: "DataKit", kind: "main", cell: (one) => h("code", {}, one.datakit) },
          { name: t("points"), kind: "number", cell: (one) => number(one.points) },
          { name: t("parcels"), kind: "number", cell: (one) => number(one.parcels) },
          { name: t("size"), kind: "number", cell: (one) => bytes(one.bytes) },
        ],
        outbox,
        { key: (one) => one.datakit },
      ),
      outbox.length > 0 && waits ? meterOf(outbox) : h("p", {}, t("outbox.empty")),
      waits ? h("p", { class: "dim" }, typed(t("outbox.do"))) : null,
    ),
    h(
      "section",
      { "aria-labelledby": "objects" },
      h("h2", { id: "objects" }, t("objects")),
      h("p", { class: "dim" }, t("objects.what")),
      objects.length === 0
        ? empty(t("noObjects"), t("noObjects.do"))
        : table(
            t("objects"),
            [
              { name: t("class"), kind: "main", cell: (one) => h("code", {}, one.class) },
              { name: t("account"), cell: (one) => h("code", { class: "id" }, one.account) },
              { name: t("region"), cell: (one) => one.region || t("central") },
              { name: t("count"), kind: "number", cell: (one) => number(one.count) },
              { name: t("newest"), cell: (one) => time(one.newest) },
              { name: t("oldest"), cell: (one) => time(one.oldest) },
            ],
            objects,
            { key: (one) => `${one.account} ${one.class} ${one.region}` },
          ),
    ),
  ];
}

function meterOf(outbox) {
  const all = outbox.reduce((sum, one) => sum + one.bytes, 0);
  return meter(all, outbox[0].limitBytes, t("outbox.room"), bytes);
}
