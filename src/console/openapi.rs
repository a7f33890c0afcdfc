//! `GET /openapi.json`: all of it, described for programs.

use crate::state::runs::{Origin, Status};
use axum::Json;
use serde_json::{Map, Value, json};

/// One operation: method, path, what it does, and its parameters of the query with what they mean.
type Operation = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const PAGES: [(&str, &str); 2] = [("pageNumber", "From 1."), ("pageSize", "1 to 100, default 20.")];
/// What both names of the list of functions take.
const FUNCTIONS: &[(&str, &str)] = &[
    ("category", "Of this category."),
    ("tags", "With all of these tags, separated by commas."),
    ("scriptId", "Of this script."),
    ("_fuzzySearch", "Whose id or title contains this."),
    PAGES[0],
    PAGES[1],
];
const KWARGS: &[(&str, &str)] = &[("kwargs", "The arguments, a JSON object.")];

/// Every operation.
pub(super) const OPERATIONS: &[Operation] = &[
    ("get", "/api/v1/func/{func}", "Describes a function.", &[]),
    (
        "post",
        "/api/v1/func/{func}",
        "Runs a function: body {kwargs, options: {async, unbox, timeout, delay, eta, returnType}}. Waits for the result unless `async`.",
        &[],
    ),
    ("get", "/api/v1/sync/{func}", "Runs a function and answers with its bare value.", KWARGS),
    ("post", "/api/v1/sync/{func}", "Runs a function and answers with its bare value: body {kwargs}.", &[]),
    (
        "get",
        "/api/v1/sync/{func}/{format}",
        "The same; `simplified`: every parameter of the query is an argument.",
        KWARGS,
    ),
    ("post", "/api/v1/sync/{func}/{format}", "The same; `simplified`: the body is the arguments.", &[]),
    ("get", "/api/v1/async/{func}", "Asks for a run and answers with its id.", KWARGS),
    ("post", "/api/v1/async/{func}", "Asks for a run and answers with its id: body {kwargs}.", &[]),
    (
        "get",
        "/api/v1/async/{func}/{format}",
        "The same; `simplified`: every parameter of the query is an argument.",
        KWARGS,
    ),
    ("post", "/api/v1/async/{func}/{format}", "The same; `simplified`: the body is the arguments.", &[]),
    ("post", "/api/v1/cron/{trigger}", "Runs a trigger once, now.", &[]),
    (
        "get",
        "/api/v1/func-list",
        "The functions that are published, with their triggers and their last run.",
        FUNCTIONS,
    ),
    ("get", "/api/v1/functions", "The same.", FUNCTIONS),
    ("get", "/api/v1/scripts", "The scripts, and what is wrong with those that do not load.", &[]),
    (
        "get",
        "/api/v1/triggers",
        "The triggers: next run, last run, configured and effective cadence, whether late; those that cannot fire, and why.",
        &[
            ("funcId", "Of this function."),
            ("_fuzzySearch", "Whose id, function or title contains this."),
            PAGES[0],
            PAGES[1],
        ],
    ),
    ("post", "/api/v1/triggers/{trigger}/pause", "Lets a trigger rest.", &[]),
    ("post", "/api/v1/triggers/{trigger}/resume", "Lets a trigger go on, from now.", &[]),
    (
        "get",
        "/api/v1/runs",
        "Runs, newest first.",
        &[
            ("funcId", "Of this function."),
            ("triggerId", "Of this trigger."),
            ("status", "queued, running, success, failure, timeout, skip, missed, expired or interrupted."),
            ("origin", "cron, manual, sync, async or command (`funchost run`)."),
            ("since", "Asked for at or after (RFC 3339)."),
            ("until", "Asked for before."),
            PAGES[0],
            PAGES[1],
        ],
    ),
    (
        "get",
        "/api/v1/runs/{run}",
        "One run: arguments, result, report of its collectors, errors with their places, sample points.",
        &[],
    ),
    ("get", "/api/v1/runs/{run}/result", "The result of a run; 202 while it goes on.", &[]),
    (
        "get",
        "/api/v1/runs/{run}/log",
        "Lines of a run's log.",
        &[
            ("after", "Lines with a greater number."),
            ("wait", "Seconds to wait for more, at most 60."),
            ("limit", "Lines, at most 2000."),
        ],
    ),
    (
        "get",
        "/api/v1/runs/{run}/events",
        "The log as it grows, as server-sent events: `line`, `status`, `end`.",
        &[("after", "Lines with a greater number.")],
    ),
    ("post", "/api/v1/runs/{run}/stop", "Asks a run to stop; one that waits ends at once.", &[]),
    ("get", "/api/v1/objects", "How many objects are remembered, and how old they are.", &[]),
    ("get", "/api/v1/outbox", "What waits for each DataKit.", &[]),
    (
        "get",
        "/api/v1/calls",
        "Calls by period, account and action.",
        &[
            ("from", "The first day; default 30 days before `to`."),
            ("to", "The last day; default today."),
            ("by", "day or month."),
        ],
    ),
    (
        "get",
        "/api/v1/usage",
        "Calls and money of this month by account and day, against free quota and budget.",
        &[],
    ),
    (
        "get",
        "/api/v1/overview",
        "What needs attention, what runs and waits, what comes next, and the last 24 hours.",
        &[],
    ),
    ("get", "/api/v1/service", "How the service is: version, roles, processes, counts.", &[]),
    ("get", "/metrics", "For Prometheus.", &[]),
    ("get", "/openapi.json", "This document.", &[]),
    ("get", "/healthz", "Is the state in reach? Wants no token.", &[]),
];

/// What can stand for a parameter.
fn schema_of(name: &str) -> Value {
    match name {
        "run" => json!({ "type": "integer" }),
        "format" => json!({ "type": "string", "enum": ["normal", "s", "simplified"] }),
        "pageNumber" | "pageSize" | "limit" => json!({ "type": "integer", "minimum": 1 }),
        "after" | "wait" => json!({ "type": "integer", "minimum": 0 }),
        "since" | "until" => json!({ "type": "string", "format": "date-time" }),
        "from" | "to" => json!({ "type": "string", "format": "date" }),
        "by" => json!({ "type": "string", "enum": ["day", "month"] }),
        "status" => json!({ "type": "string", "enum": Status::ALL.map(Status::as_str) }),
        "origin" => json!({ "type": "string", "enum": Origin::ALL.map(Origin::as_str) }),
        _ => json!({ "type": "string" }),
    }
}

pub(super) async fn document() -> Json<Value> {
    Json(build())
}

pub(super) fn build() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (method, path, summary, query) in OPERATIONS {
        let in_path = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": schema_of(name) }));
        let in_query = query.iter().map(|(name, words)| {
            json!({ "name": name, "in": "query", "description": words, "schema": schema_of(name) })
        });
        let raw = matches!(*path, "/metrics" | "/healthz" | "/openapi.json")
            || path.starts_with("/api/v1/sync")
            || path.ends_with("/events");
        let schema = if raw { json!({}) } else { json!({ "$ref": "#/components/schemas/Envelope" }) };
        let kind = match *path {
            "/metrics" => "text/plain",
            path if path.ends_with("/events") => "text/event-stream",
            _ => "application/json",
        };
        let done = json!({ "description": "Done.", "content": { kind: { "schema": schema } } });
        let mut operation = json!({
            "summary": summary,
            "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
            "responses": {
                "200": done,
                "default": {
                    "description": "Not done, and why.",
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Envelope" } } },
                },
            },
        });
        if let Some(operation) = operation.as_object_mut() {
            if *method == "post" && (path.contains("/func/") || path.contains("sync/")) {
                operation.insert(
                    "requestBody".into(),
                    json!({ "content": { "application/json": { "schema": { "type": "object" } } } }),
                );
            }
            if path.ends_with("/result")
                && let Some(responses) = operation.get_mut("responses")
            {
                responses["202"] =
                    json!({ "description": "It goes on.", "content": { kind: { "schema": schema } } });
            }
            if *path == "/healthz" {
                operation.insert("security".into(), json!([]));
            }
        }
        if let Some(methods) = paths.entry((*path).to_owned()).or_insert_with(|| json!({})).as_object_mut() {
            methods.insert((*method).to_owned(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "funchost", "version": env!("CARGO_PKG_VERSION"), "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" } },
        "paths": paths,
        "security": [{ "token": [] }, { "X-Dff-Auth-Token": [] }],
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "`token` of `[service]`, where one is set." },
                "X-Dff-Auth-Token": { "type": "apiKey", "in": "header", "name": "X-Dff-Auth-Token", "description": "The same in the header of the original." },
            },
            "schemas": {
                "Envelope": {
                    "type": "object",
                    "required": ["ok", "error", "message", "traceId"],
                    "properties": {
                        "ok": { "type": "boolean" },
                        "error": { "type": "number", "description": "The HTTP status with two places: 200, 404.41, 599.10 (the function failed), 599.20 (timeout), 599.98 (its result cannot be given), 599.99 (no worker answered)." },
                        "message": { "type": "string" },
                        "reason": { "type": "string" },
                        "detail": { "type": "object" },
                        "data": {},
                        "pageInfo": { "type": "object" },
                        "traceId": { "type": "string" },
                        "reqDump": { "type": "object", "description": "Of an error: method and path of the request." },
                        "reqTime": { "type": "string" },
                        "respTime": { "type": "string" },
                        "reqCost": { "type": "integer", "description": "Milliseconds." },
                    },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_stands_in_the_document_and_nothing_else_does() {
        let mut routes = BTreeSet::new();
        // A router does not say what it has: its text does.
        for route in include_str!("mod.rs").split(".route(\"").skip(1) {
            let (path, rest) = route.split_once("\", ").unwrap();
            let handlers = rest.split(".route").next().unwrap().lines().next().unwrap();
            for method in ["get", "post", "put", "patch", "delete", "any"] {
                if handlers.contains(&format!("{method}(")) {
                    routes.insert(format!("{method} {path}"));
                }
            }
        }
        // The page itself, and its parts.
        for page in ["get /", "get /console/{file}"] {
            assert!(routes.remove(page), "{page}");
        }
        let document = build();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                assert!(described.insert(format!("{method} {path}")));
                let parameters = operation["parameters"].as_array().unwrap();
                let in_path = parameters.iter().filter(|one| one["in"] == "path").count();
                assert_eq!(in_path, path.matches('{').count(), "{method} {path}");
            }
        }
        assert_eq!(described.len(), OPERATIONS.len(), "none is written twice");
        assert_eq!(routes, described);
    }
}
